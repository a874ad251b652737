# The first process of a node, in namespaces of its own: when it ends, the kernel ends everything else of the node, and
# all that was mounted here is gone.
# Usage: node.sh FOLDER PROGRAMS NAME ADDRESSES [IMAGE_ARCHIVE...]
# The first of the addresses, which are separated by spaces, is that of the node.
set -eu
folder=$1
programs=$2
name=$3
addresses=$4
shift 4

ip link set lo up
for address in $addresses; do
    ip address add "$address/32" dev lo
done

# containerd and the kubelet keep state in these folders. Only the node sees what it puts there.
for place in /run /var/lib /opt; do
    mount -t tmpfs tmpfs "$place"
done
mkdir -p /run/lock /run/containerd /var/lib/kubelet

PATH=$programs:$PATH
containerd --config "$folder/containerd.toml" >"$folder/containerd.log" 2>&1 &
until ctr version >/dev/null 2>&1; do
    kill -0 $!
    sleep 0.1
done
for archive in "$@"; do
    ctr --namespace k8s.io images import "$archive" >>"$folder/images.log" 2>&1
done
kubelet --config="$folder/kubelet.yaml" --kubeconfig="$folder/kubelet.kubeconfig" \
    --hostname-override="$name" --node-ip="${addresses%% *}" >"$folder/kubelet.log" 2>&1 &
wait $!
