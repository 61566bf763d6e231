{{- define "favord.name" -}}
{{- if contains "favord" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-favord" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "favord.selector" -}}
app.kubernetes.io/name: favord
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "favord.labels" -}}
{{ include "favord.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* Numbers of values are floating-point, and printed as 1e+06. */}}
{{- define "favord.number" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}
