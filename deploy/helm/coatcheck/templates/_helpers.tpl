{{- define "coatcheck.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "coatcheck.selector" -}}
app.kubernetes.io/name: coatcheck
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "coatcheck.labels" -}}
{{ include "coatcheck.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- /* The configuration file: that of the values, with the ports of the chart. */ -}}
{{- define "coatcheck.config" -}}
{{- $listen := dict "listen" "0.0.0.0:3000" -}}
{{- $service := printf "%s-admin" (include "coatcheck.name" .) -}}
{{- $hosts := list $service (printf "%s.%s" $service .Release.Namespace) (printf "%s.%s.svc" $service .Release.Namespace) -}}
{{- $admin := dict "admin" (dict "listen" "0.0.0.0:9464" "allowedHosts" $hosts) -}}
{{- mergeOverwrite (deepCopy .Values.config) $listen $admin | toYaml -}}
{{- end -}}
