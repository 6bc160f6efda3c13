package server_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"gatehouse/idp/idptest"
)

var exposedPath = regexp.MustCompile("`(/[^`]*)`")

// Who opens paths one by one at a proxy leaves none out.
func TestThePageOfTheConfigurationTellsWhichPathsToExpose(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	idptest.Must(t, err)
	_, table, _ := strings.Cut(string(text), "## What to expose")
	var listed []string
	for _, path := range exposedPath.FindAllStringSubmatch(table, -1) {
		listed = append(listed, path[1])
	}
	app := idptest.Start(t, idptest.Alone(t).URL, "")
	for _, route := range app.RouteTable() {
		known := route[1] == "/"
		for _, path := range listed {
			known = known || route[1] == path || strings.HasPrefix(route[1], strings.TrimSuffix(path, "/")+"/")
		}
		if !known {
			t.Errorf("docs/configuration.md says nothing of %s %s", route[0], route[1])
		}
	}
}
