//! A map that mostly holds one entry, and then allocates nothing.

use std::collections::{BTreeMap, btree_map};

/// A map in the order of its keys. A tree has room for eleven entries as soon as it has one, which counts where there is a
/// map for each object.
#[derive(Clone, Debug)]
pub(crate) enum SmallMap<K, V> {
    /// One entry or none.
    Few(Option<(K, V)>),
    /// Any number of entries.
    Many(BTreeMap<K, V>),
}

impl<K, V> Default for SmallMap<K, V> {
    fn default() -> Self {
        Self::Few(None)
    }
}

impl<K: Ord, V> SmallMap<K, V> {
    /// Sets the value of a key. The key that is in the map already stays.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self {
            Self::Few(entry @ None) => *entry = Some((key, value)),
            Self::Few(Some((only, present))) if *only == key => *present = value,
            Self::Few(entry @ Some(_)) => {
                let mut entries: BTreeMap<K, V> = entry.take().into_iter().collect();
                entries.insert(key, value);
                *self = Self::Many(entries);
            }
            Self::Many(entries) => drop(entries.insert(key, value)),
        }
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, key: &K) {
        match self {
            Self::Few(entry) => drop(entry.take_if(|(only, _)| only == key)),
            Self::Many(entries) => {
                entries.remove(key);
                if entries.len() <= 1 {
                    *self = Self::Few(entries.pop_first());
                }
            }
        }
    }

    /// Reports whether there is no entry.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Few(None))
    }

    /// Returns the entries in order.
    pub(crate) fn iter(&self) -> Iter<'_, K, V> {
        match self {
            Self::Few(entry) => Iter::Few(entry.as_ref()),
            Self::Many(entries) => Iter::Many(entries.iter()),
        }
    }

    /// Returns the keys in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// Returns the values in the order of their keys.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

/// The entries of a [`SmallMap`].
#[derive(Debug)]
pub(crate) enum Iter<'a, K, V> {
    /// Those of a small one.
    Few(Option<&'a (K, V)>),
    /// Those of a large one.
    Many(btree_map::Iter<'a, K, V>),
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Few(entry) => entry.take().map(|(key, value)| (key, value)),
            Self::Many(entries) => entries.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_a_tree_holds() {
        let (mut map, mut tree) = (SmallMap::default(), BTreeMap::new());
        for (step, key) in [5, 3, 3, 9, 5, 3, 9, 1, 1, 2, 1, 2, 2].into_iter().enumerate() {
            if step % 3 == 2 {
                map.remove(&key);
                tree.remove(&key);
            } else {
                map.insert(key, step);
                tree.insert(key, step);
            }
            assert!(map.iter().eq(tree.iter()), "{map:?} {tree:?}");
            assert_eq!(map.is_empty(), tree.is_empty());
            assert_eq!(matches!(map, SmallMap::Few(_)), tree.len() <= 1, "{map:?}");
        }
    }
}
