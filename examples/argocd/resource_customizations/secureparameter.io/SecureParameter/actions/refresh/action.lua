-- Any new value makes the operator read at once. It shows the value in status.lastHandledSync when it is done.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["secureparameter.io/sync"] = os.date("!%Y-%m-%dT%XZ")
return obj
