package api_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/api"
	"gatehouse/idp"
	"gatehouse/idp/idptest"
)

func requirements(length int) object {
	return object{
		"min_length": length, "upper": false, "lower": false, "digit": true, "special": false, "expiry_days": 0, "no_reuse": 5,
	}
}

func configuration(idle int) object {
	return object{
		"session_idle": idle, "session_lifetime": 86400, "keep_signed_in": true, "kept_idle": 86400, "kept_lifetime": 172800, "end_others": false,
	}
}

func TestPasswordRequirementsAreReadAndChanged(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		const path = "/populations/agents/password-requirements"
		o.someone(idp.Agents)
		read := o.ask("all", "getPasswordRequirements", path, nil)
		before := into[api.PasswordRequirements](t, read)
		if before.MinLength != 8 || before.AtSignIn != nil || before.Digit {
			t.Errorf("at first %+v", before)
		}
		preview := into[api.PasswordRequirementsPreview](t, o.ask("all", "previewPasswordRequirements", path+"/preview", requirements(12)))
		if preview.People+preview.Elsewhere == 0 || preview.Expired != 0 {
			t.Errorf("the preview is %+v", preview)
		}
		etag := read.header.Get("ETag")
		bad := o.ask("all", "savePasswordRequirements", path, with(requirements(65), "apply", "next_login", "reason", "x"), "If-Match", etag)
		want(t, "65 characters", bad, http.StatusBadRequest, "bad_request")
		if !strings.Contains(string(bad.body), `"/min_length"`) {
			t.Errorf("the field is not named: %s", bad.body)
		}
		want(t, "no choice", o.ask("all", "savePasswordRequirements", path, with(requirements(12), "apply", "later", "reason", "x"), "If-Match", etag), http.StatusBadRequest, "bad_request")
		only := o.ask("all", "savePasswordRequirements", path, with(requirements(12), "apply", "new_passwords", "reason", "x"), "If-Match", etag)
		if r := into[api.PasswordRequirements](t, only); r.MinLength != 12 || !r.Digit || r.NoReuse != 5 || r.AtSignIn != nil {
			t.Errorf("for new ones: %+v", r)
		}
		all := o.ask("all", "savePasswordRequirements", path, with(requirements(12), "apply", "immediately", "reason", "x"), "If-Match", only.header.Get("ETag"))
		if r := into[api.PasswordRequirements](t, all); r.AtSignIn == nil || r.AtSignIn.MinLength != 12 || !r.AtSignIn.Digit {
			t.Errorf("for all: %+v", r)
		}
		if again := o.ask("all", "getPasswordRequirements", path, nil); string(again.body) != string(all.body) || again.header.Get("ETag") != all.header.Get("ETag") {
			t.Errorf("read %s, saved %s", again.body, all.body)
		}
		p, err := o.Store.Population(t.Context(), idp.Agents)
		idptest.Must(t, err)
		if p.MinVersion == 0 {
			t.Error("nobody was signed out")
		}
	})
}

func TestSessionConfigurationIsReadAndChanged(t *testing.T) {
	inOffice(t, func(t *testing.T, o *office) {
		const path = "/populations/agents/session-configuration"
		o.session(o.someone(idp.Agents))
		read := o.ask("all", "getSessionConfiguration", path, nil)
		if before := into[api.SessionConfiguration](t, read); before.SessionIdle != 3600 || before.SessionLifetime != 86400 || before.KeepSignedIn || !before.EndOthers {
			t.Errorf("at first %+v", before)
		}
		preview := into[api.SessionConfigurationPreview](t, o.ask("all", "previewSessionConfiguration", path+"/preview", configuration(600)))
		if preview.Sessions == 0 || preview.Ending != 0 {
			t.Errorf("the preview is %+v", preview)
		}
		etag := read.header.Get("ETag")
		bad := o.ask("all", "saveSessionConfiguration", path, with(configuration(86401), "reason", "x"), "If-Match", etag)
		want(t, "idle for longer than it lasts", bad, http.StatusUnprocessableEntity, "unprocessable")
		if !strings.Contains(string(bad.body), `"/session_idle"`) {
			t.Errorf("the field is not named: %s", bad.body)
		}
		saved := o.ask("all", "saveSessionConfiguration", path, with(configuration(600), "reason", "x"), "If-Match", etag)
		after := into[api.SessionConfiguration](t, saved)
		if after.SessionIdle != 600 || !after.KeepSignedIn || after.KeptLifetime != 172800 || after.EndOthers {
			t.Errorf("saved %+v", after)
		}
		if again := o.ask("all", "getSessionConfiguration", path, nil); string(again.body) != string(saved.body) {
			t.Errorf("read %s, saved %s", again.body, saved.body)
		}
	})
}
