-- Healthy: the Secret is right, and workloads that should be restarted were. Degraded: somebody must act.
-- Progressing: the operator goes on by itself.
local function health(status, message)
  return { status = status, message = message }
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", "Being deleted")
end
if obj.spec ~= nil and obj.spec.suspend == true then
  return health("Suspended", "Suspended by spec.suspend: nothing is read or written")
end
if obj.status == nil or obj.status.conditions == nil then
  return health("Progressing", "The operator has not reported on this object yet")
end
if obj.status.observedGeneration ~= nil and obj.status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "The operator has not looked at the last change yet")
end

local found = {}
for _, condition in ipairs(obj.status.conditions) do
  found[condition.type] = condition
end
local function text(condition)
  return condition.reason .. ": " .. condition.message
end
local function is(type, status)
  return found[type] ~= nil and found[type].status == status
end

if is("Reconciling", "True") then
  return health("Progressing", text(found.Reconciling))
end
if is("Ready", "True") and is("Restarted", "False") then
  if found.Restarted.reason == "RestartPending" then
    return health("Progressing", text(found.Restarted))
  end
  return health("Degraded", text(found.Restarted))
end
if is("Ready", "True") then
  return health("Healthy", text(found.Ready))
end
-- Without Reconciling, somebody must act: the object is Stalled.
if is("Ready", "False") then
  return health("Degraded", text(found.Ready))
end
if found.Ready ~= nil then
  return health("Progressing", text(found.Ready))
end
return health("Progressing", "The operator has not reported on this object yet")
