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

{{/* Name of the ServiceAccount. */}}
{{- define "secure-parameter-operator.serviceAccountName" -}}
{{- if not (or .Values.serviceAccount.create .Values.serviceAccount.name) }}
{{- /* Its rights would go to every pod of the namespace that names no account. */}}
{{- fail "serviceAccount.name is required if serviceAccount.create is false" }}
{{- end }}
{{- default (include "secure-parameter-operator.fullname" .) .Values.serviceAccount.name }}
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
