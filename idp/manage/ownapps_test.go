package manage_test

import (
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/self"
)

// A person's apps are those that take their population and can be started, by name.
func TestAPersonsAppsAreThoseThatCanBeStarted(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, _ *idptest.Database, m *manage.Manager) {
		m.Self.Issuer = "https://id.example"
		for _, c := range []idp.Client{
			{Name: "Wall", Populations: []string{idp.Agents}, InitiateLoginURI: "https://wall.example/start?tenant=1"},
			{Name: "Archive", Populations: []string{idp.Contacts, idp.Agents}, InitiateLoginURI: "https://archive.example/start"},
			{Name: "Support", Populations: []string{idp.Contacts}, InitiateLoginURI: "https://support.example/start"},
			{Name: "Plain", Populations: []string{idp.Agents}},
		} {
			_, _, err := m.Apps.CreateClient(t.Context(), c)
			idptest.Must(t, err)
		}
		got, err := m.Self.OwnApps(t.Context(), idp.Agents)
		idptest.Must(t, err)
		want := []self.OwnApp{
			{Name: "Archive", URL: "https://archive.example/start?iss=https%3A%2F%2Fid.example"},
			{Name: "Wall", URL: "https://wall.example/start?tenant=1&iss=https%3A%2F%2Fid.example"},
		}
		if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("%v", got)
		}
	})
}

func TestAddressesThatAnAppCannotHave(t *testing.T) {
	t.Parallel()
	withDefaults(t, func(t *testing.T, _ *idptest.Database, m *manage.Manager) {
		base := idp.Client{Name: "App", Populations: []string{idp.Agents}, RedirectURIs: []string{"https://app.example:8443/cb"}}
		for uri, ok := range map[string]bool{
			"https://app.example:8443/out": true, "https://app.example:8443/out?a=b": true, "https://app.example/out": false, "http://app.example:8443/out": false,
			"https://evil.example:8443/out": false, "https://app.example:8443.evil.example/out": false, "https://app.example:8443@evil.example/out": false,
			"javascript:alert(1)": false, "https://app.example:8443/out#x": false, "//app.example:8443/out": false,
		} {
			c := base
			c.FrontchannelLogoutURI = uri
			if _, _, err := m.Apps.CreateClient(t.Context(), c); (err == nil) != ok {
				t.Errorf("front-channel %s: %v", uri, err)
			}
		}
		for uri, ok := range map[string]bool{"https://app.example/start": true, "http://app.example/start": false, "javascript:alert(1)": false, "com.example.app:/start": false} {
			c := base
			c.InitiateLoginURI = uri
			if _, _, err := m.Apps.CreateClient(t.Context(), c); (err == nil) != ok {
				t.Errorf("start %s: %v", uri, err)
			}
		}
	})
}
