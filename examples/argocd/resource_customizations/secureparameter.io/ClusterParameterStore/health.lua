-- Healthy: objects can read through the store. Degraded: somebody must act. Progressing: the operator goes on by itself.
local function health(status, message)
  return { status = status, message = message }
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", "Being deleted")
end
if obj.status == nil or obj.status.conditions == nil then
  return health("Progressing", "The operator has not reported on this store yet")
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
if is("Ready", "True") then
  -- Warnings keep nobody from reading, but somebody should know of them.
  return health("Healthy", table.concat({ text(found.Ready), unpack(obj.status.warnings or {}) }, " "))
end
-- Without Reconciling, somebody must act: the object is Stalled.
if is("Ready", "False") then
  return health("Degraded", text(found.Ready))
end
if found.Ready ~= nil then
  return health("Progressing", text(found.Ready))
end
return health("Progressing", "The operator has not reported on this store yet")
