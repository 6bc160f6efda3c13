package api_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"gatehouse/idp/idptest"
)

// A program that was made of an older document changes what it knows, and clears nothing
// that it does not.
func TestAnOlderProgramKeepsSettingsThatItDoesNotSend(t *testing.T) {
	t.Parallel()
	o := open(t, idptest.Alone(t).URL)
	ids := o.objects("agents")
	brand := object{"name": "RTX", "brand_color": "", "logo_url": "", "help_url": "", "privacy_url": ""}
	for name, c := range map[string]struct {
		read, write, path, field string
		body                     object
	}{
		"brand": {"getPopulation", "saveBrand", "/populations/agents", "support_url", brand},
		"app":   {"getClient", "updateClient", "/clients/" + ids["client_id"], "logo_uri", nil},
	} {
		at := c.path
		if name == "brand" {
			at += "/brand"
		}
		before := o.ask("all", c.read, c.path, nil)
		said := func(a answer) object {
			body := object{}
			idptest.Must(t, json.Unmarshal(a.body, &body))
			return body
		}
		body := c.body
		if body == nil {
			body = object{}
			for k, v := range said(before) {
				body[k] = v
			}
			for _, own := range []string{"id", "kind", "secrets", "created_at", "version"} {
				delete(body, own)
			}
		}
		body[c.field] = "https://rtx.example/x"
		set := o.ask("all", c.write, at, body, "If-Match", before.header.Get("ETag"))
		want(t, name, set, http.StatusOK, "")
		delete(body, c.field)
		body["name"] = "Renamed"
		kept := o.ask("all", c.write, at, body, "If-Match", set.header.Get("ETag"))
		want(t, name, kept, http.StatusOK, "")
		if got := said(kept); got[c.field] != "https://rtx.example/x" || got["name"] != "Renamed" {
			t.Errorf("%s is %v", name, got)
		}
		body[c.field] = ""
		cleared := o.ask("all", c.write, at, body, "If-Match", kept.header.Get("ETag"))
		if want(t, name, cleared, http.StatusOK, ""); said(cleared)[c.field] != "" {
			t.Errorf("%s is not cleared: %s", name, cleared.body)
		}
	}
}
