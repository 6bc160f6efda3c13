package demo_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest/chromium"
)

// TestBrowserSignsInADevice: a device without a keyboard is signed in by a phone.
func TestBrowserSignsInADevice(t *testing.T) {
	h := startHouse(t, chromium.Shared(t), "")
	h.client(t, idp.Client{
		ID: "wall-display", Name: "Wall display", Kind: idp.NativeClient, GrantTypes: []string{idp.DeviceGrant, "refresh_token"},
		Populations: []string{idp.Agents},
	})
	status, answer := h.post(t, "/device_authorization", url.Values{"scope": {"openid email offline_access"}})
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	poll := func() (int, map[string]any) {
		return h.post(t, "/token", url.Values{"grant_type": {idp.DeviceGrant}, "device_code": {answer["device_code"].(string)}})
	}
	if status, early := poll(); status != http.StatusBadRequest || early["error"] != "authorization_pending" {
		t.Errorf("%d %v", status, early)
	}

	p, phone := h.person(t, "agent@rtx.example"), h.window(t)
	phone.do(dressed(360, 740, "light"))
	phone.visit(answer["verification_uri"].(string))
	phone.page("device-code")
	phone.picture("device-code")
	phone.types("#user_code", answer["user_code"].(string))
	phone.submits()
	phone.page("signin")
	phone.givesPassword(p)
	phone.setsUp(p)
	phone.ticks()
	phone.submits()
	phone.page("device-confirm")
	phone.reads("Is this code on the device in front of you?")
	phone.reads(answer["user_code"].(string))
	phone.reads("Wall display")
	phone.picture("device-confirm")
	phone.submits()
	phone.page("device-done")
	phone.picture("device-done")

	status, tokens := poll()
	if id, _ := tokens["id_token"].(string); status != http.StatusOK || id == "" || tokens["refresh_token"] == "" {
		t.Errorf("%d %v", status, tokens)
	}
}

// post calls an endpoint as the device does.
func (h *house) post(t *testing.T, path string, form url.Values) (int, map[string]any) {
	t.Helper()
	form.Set("client_id", "wall-display")
	res, err := http.PostForm(h.Issuer+path, form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer map[string]any
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, answer
}
