package server_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

const (
	alertsFile    = "../../docs/deploy/prometheus/alerts.yaml"
	dashboardFile = "../../docs/deploy/grafana/dashboard.json"
)

func TestAlertsSayWhatToDoAndFireWhenTheyShould(t *testing.T) {
	promtool(t, "", "check", "rules", alertsFile)
	promtool(t, "", "test", "rules", strings.Replace(alertsFile, ".yaml", "_test.yaml", 1))
	rules, err := os.ReadFile(alertsFile)
	idptest.Must(t, err)
	tests, err := os.ReadFile(strings.Replace(alertsFile, ".yaml", "_test.yaml", 1))
	idptest.Must(t, err)
	alerts := strings.Split(string(rules), "- alert: ")[1:]
	if len(alerts) == 0 {
		t.Fatal("no alerts")
	}
	for _, alert := range alerts {
		name, _, _ := strings.Cut(alert, "\n")
		if !strings.Contains(alert, "summary: ") || !strings.Contains(alert, "description: ") {
			t.Errorf("%s does not say what to do", name)
		}
		if !strings.Contains(string(tests), "alertname: "+name+"\n        exp_alerts:") || !strings.Contains(string(tests), "alertname: "+name+"}") {
			t.Errorf("no test has %s fire, or stay silent", name)
		}
	}
}

// queries are those of the panels, as Grafana sends them.
func queries(t *testing.T) (list []string) {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	idptest.Must(t, err)
	var dashboard struct {
		Panels []struct {
			ID          int
			Type, Title string
			Description string
			Targets     []struct{ Expr string }
			GridPos     struct{ X, Y, W, H int }
		}
	}
	idptest.Must(t, json.Unmarshal(text, &dashboard))
	seen := map[int]bool{}
	for _, p := range dashboard.Panels {
		if p.Title == "" || seen[p.ID] || p.GridPos.X+p.GridPos.W > 24 || p.Type != "row" && (len(p.Targets) == 0 || p.Description == "") {
			t.Errorf("panel %d %q is not whole", p.ID, p.Title)
		}
		seen[p.ID] = true
		for _, target := range p.Targets {
			list = append(list, strings.NewReplacer("$__rate_interval", "5m", "$job", "gatehouse").Replace(target.Expr))
		}
	}
	return list
}

func TestPrometheusUnderstandsTheDashboard(t *testing.T) {
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for i, query := range queries(t) {
		text, err := json.Marshal(query) // YAML reads JSON's strings
		idptest.Must(t, err)
		rules += fmt.Sprintf("  - {record: 'panel:query:%d', expr: %s}\n", i, text)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	idptest.Must(t, os.WriteFile(file, []byte(rules), 0o600))
	promtool(t, "", "check", "rules", file)
}

func TestAlertsAndDashboardNameMetricsThatExist(t *testing.T) {
	app := idptest.Start(t, idptest.SQLite(t), "")
	app.ObserveCertificate(idp.Now)
	names := app.MetricNames()
	alerts, err := os.ReadFile(alertsFile)
	idptest.Must(t, err)
	used := regexp.MustCompile(`gatehouse_[a-z_]+`).FindAllString(string(alerts)+strings.Join(queries(t), " "), -1)
	for _, name := range used {
		base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
		if !slices.Contains(names, name) && !slices.Contains(names, base) {
			t.Errorf("%s does not exist", name)
		}
	}
}
