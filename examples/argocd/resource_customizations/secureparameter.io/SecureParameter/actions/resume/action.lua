-- Without the field, the object is again what most manifests say.
obj.spec.suspend = nil
return obj
