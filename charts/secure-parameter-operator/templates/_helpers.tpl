{{/* Name of the chart. */}}
{{- define "secure-parameter-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of all objects: the release's, with the chart's unless it says so already. */}}
{{- define "secure-parameter-operator.fullname" -}}
{{- $name := include "secure-parameter-operator.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Namespace of all objects that have one, except for the Roles of `namespaces` and `serviceAccountTokens`. */}}
{{- define "secure-parameter-operator.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{/* Name of the ServiceAccount. */}}
{{- define "secure-parameter-operator.serviceAccountName" -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) }}
{{- /* Its rights would go to every pod of the namespace that names no account. */}}
{{- fail "serviceAccount.name is required if serviceAccount.create is false" }}
{{- end }}
{{- default (include "secure-parameter-operator.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{/*
  Name of the Lease. Two releases that serve the same part of the cluster share it, so that they do not do everything twice.
*/}}
{{- define "secure-parameter-operator.leaseName" -}}
{{- $name := ternary (include "secure-parameter-operator.fullname" .) "secure-parameter-operator" (not (empty .Values.namespaces)) }}
{{- with .Values.watchSelector }}
{{- $name = printf "%s-%s" $name (sha256sum . | trunc 8) }}
{{- end }}
{{- default $name .Values.leaderElection.leaseName }}
{{- end }}

{{/* Labels that select the pod; they never change. */}}
{{- define "secure-parameter-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "secure-parameter-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of all objects. */}}
{{- define "secure-parameter-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "secure-parameter-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/*
  Labels and annotations of an object, the last fields of its metadata. Takes the root as `chart`, and `labels` and
  `annotations` of this object alone. The chart's own labels win.
*/}}
{{- define "secure-parameter-operator.marks" -}}
{{- $own := include "secure-parameter-operator.labels" .chart | fromYaml -}}
labels:
  {{- merge $own (default dict .labels) .chart.Values.commonLabels | toYaml | nindent 2 }}
{{- with merge (dict) (default dict .annotations) .chart.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Image with tag or digest. */}}
{{- define "secure-parameter-operator.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Who has the operator's rights. */}}
{{- define "secure-parameter-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "secure-parameter-operator.serviceAccountName" . }}
  namespace: {{ include "secure-parameter-operator.namespace" . }}
{{- end }}

{{/* Rights within namespaces. Each is shown to be needed by a test that takes it away. */}}
{{- define "secure-parameter-operator.namespacedRules" -}}
# The specs of objects and stores.
- apiGroups: [secureparameter.io]
  resources: [secureparameters, parameterstores]
  verbs: [list, watch]
# The finalizer of objects with creationPolicy Merge.
- apiGroups: [secureparameter.io]
  resources: [secureparameters]
  verbs: [patch]
# Status, by server-side apply.
- apiGroups: [secureparameter.io]
  resources: [secureparameters/status, parameterstores/status]
  verbs: [patch]
# Secrets are written by server-side apply (patch, and create if there is none yet), and deleted when their target moves.
# Only their metadata is read, except for the credentials that a store refers to; see README.md.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
{{- if .Values.restart.enabled }}
# Workloads to restart.
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, list, patch]
# Rollouts of Argo Rollouts, by spec.restartAt.
- apiGroups: [argoproj.io]
  resources: [rollouts]
  verbs: [get, list, patch]
{{- end }}
# The access trail on the objects.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{/* Rights on what has no namespace. */}}
{{- define "secure-parameter-operator.clusterRules" -}}
# The specs of the cluster's stores.
- apiGroups: [secureparameter.io]
  resources: [clusterparameterstores]
  verbs: [list, watch]
# Labels of namespaces, which access rules select by.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
{{- end }}

{{/* Condition of admission policies: the request is the operator's. */}}
{{- define "secure-parameter-operator.isTheOperator" -}}
{{- $account := printf "system:serviceaccount:%s:%s" (include "secure-parameter-operator.namespace" .) (include "secure-parameter-operator.serviceAccountName" .) -}}
- name: is-the-operator
  expression: "request.userInfo.username == '{{ $account }}'"
{{- end }}

{{/* Puts the admission policy `name` into force. */}}
{{- define "secure-parameter-operator.policyBinding" }}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  {{- include "secure-parameter-operator.marks" (dict "chart" .chart) | nindent 2 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
{{- end }}

{{/* Settings of a probe. The API server drops zeros, and tools would then find a difference. */}}
{{- define "secure-parameter-operator.probe" -}}
{{- range $name, $value := omit . "enabled" }}
{{- if $value }}
{{ $name }}: {{ int64 $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* What a ServiceMonitor and a PodMonitor say about scraping. Takes their values. */}}
{{- define "secure-parameter-operator.scraping" -}}
port: http
path: /metrics
interval: {{ .interval }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The text of a file of the chart. Takes the root as `chart`, and `path`. */}}
{{- define "secure-parameter-operator.file" -}}
{{- $text := .chart.Files.Get .path }}
{{- if not $text }}
{{- fail (printf "%s is not in this package of the chart; take the chart from a release, or from the repository as it is" .path) }}
{{- end }}
{{- $text | trim }}
{{- end }}
