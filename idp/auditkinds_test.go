package idp_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"gatehouse/idp"
)

func TestAllKindsOfAuditEventsAreListed(t *testing.T) {
	source, err := os.ReadFile("audit.go")
	if err != nil {
		t.Fatal(err)
	}
	listed := idp.AuditKinds()
	declared := regexp.MustCompile(`AuditKind = "([a-z_.]+)"`).FindAllSubmatch(source, -1)
	for _, kind := range declared {
		if !slices.Contains(listed, idp.AuditKind(kind[1])) {
			t.Errorf("AuditKinds lacks %s", kind[1])
		}
	}
	if len(declared) != len(listed) || len(listed) < 90 {
		t.Errorf("%d kinds are declared, %d listed", len(declared), len(listed))
	}
}
