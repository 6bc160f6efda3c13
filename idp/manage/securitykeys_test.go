package manage_test

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/populations"
	"gatehouse/idp/settings"
	"gatehouse/idp/store"
)

// model is one of security keys, and modelID how it is written.
const modelID = "ee882879-721c-4913-9775-3dfcce97072a"

var model = [16]byte{0xee, 0x88, 0x28, 0x79, 0x72, 0x1c, 0x49, 0x13, 0x97, 0x75, 0x3d, 0xfc, 0xce, 0x97, 0x07, 0x2a}

func trusting(m idptest.Maker) idp.Policy {
	return idp.Policy{Passkey: true, SecurityKeys: modelID, SecurityKeyRoots: m.PEM()}
}

func TestWhoseWordAboutSecurityKeysCountsIsChecked(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		m := idptest.NewMaker(t, model)
		leaf, err := x509.ParseCertificate(m.Chain[0].([]byte))
		idptest.Must(t, err)
		for name, c := range map[string]struct {
			change func(*idp.Policy)
			want   map[string]string // keys of errors, by field
			kept   string
		}{
			"a model and its maker": {func(*idp.Policy) {}, nil, modelID},
			"written otherwise": {func(p *idp.Policy) {
				p.SecurityKeys = " " + strings.ToUpper(strings.ReplaceAll(modelID, "-", "")) + " " + modelID
			}, nil, modelID},
			"neither":                   {func(p *idp.Policy) { p.SecurityKeys, p.SecurityKeyRoots = "", "" }, nil, ""},
			"a maker twice, by Windows": {func(p *idp.Policy) { p.SecurityKeyRoots = strings.ReplaceAll(m.PEM()+m.PEM(), "\n", "\r\n") }, nil, modelID},
			"no maker":                  {func(p *idp.Policy) { p.SecurityKeyRoots = "" }, map[string]string{"security_key_roots": "settings.mfa.need_roots"}, ""},
			"no model":                  {func(p *idp.Policy) { p.SecurityKeys = "" }, map[string]string{"security_keys": "settings.mfa.need_models"}, ""},
			"only none":                 {func(p *idp.Policy) { p.SecurityKeys, p.SecurityKeyRoots, p.OnlySecurityKeys = "", "", true }, map[string]string{"only_security_keys": "settings.mfa.need_models"}, ""},
			"no id":                     {func(p *idp.Policy) { p.SecurityKeys = "YubiKey" }, map[string]string{"security_keys": "settings.mfa.model"}, ""},
			"the id of no model":        {func(p *idp.Policy) { p.SecurityKeys = "00000000-0000-0000-0000-000000000000" }, map[string]string{"security_keys": "settings.mfa.model"}, ""},
			"no PEM":                    {func(p *idp.Policy) { p.SecurityKeyRoots = "MIIB" }, map[string]string{"security_key_roots": "settings.mfa.root_pem"}, ""},
			"a key": {func(p *idp.Policy) {
				p.SecurityKeyRoots = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
			}, map[string]string{"security_key_roots": "settings.mfa.root_pem"}, ""},
			"something behind it":      {func(p *idp.Policy) { p.SecurityKeyRoots += "\nMIIB" }, map[string]string{"security_key_roots": "settings.mfa.root_pem"}, ""},
			"no certificate in it":     {func(p *idp.Policy) { p.SecurityKeyRoots = idptest.PEM([]byte("x")) }, map[string]string{"security_key_roots": "settings.mfa.root_pem"}, ""},
			"that of a key":            {func(p *idp.Policy) { p.SecurityKeyRoots = idptest.PEM(leaf.Raw) }, map[string]string{"security_key_roots": "settings.mfa.root_ca"}, ""},
			"all that is wrong":        {func(p *idp.Policy) { p.SecurityKeys, p.SecurityKeyRoots = "x", "y" }, map[string]string{"security_keys": "settings.mfa.model", "security_key_roots": "settings.mfa.root_pem"}, ""},
			"a sign that nobody types": {func(p *idp.Policy) { p.SecurityKeyRoots = "\x00" }, map[string]string{"security_key_roots": "settings.text"}, ""},
		} {
			p := trusting(m)
			c.change(&p)
			got := map[string]string{}
			for _, e := range o.Populations.CheckPolicy(&p) {
				if _, twice := got[e.Field]; !twice {
					got[e.Field] = e.Key
				}
			}
			if want := c.want; len(want)+len(got) > 0 {
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
				continue
			}
			if p.SecurityKeys != c.kept || p.SecurityKeyRoots != "" && p.SecurityKeyRoots != strings.TrimSpace(m.PEM()) {
				t.Errorf("%s: kept as %q, %q", name, p.SecurityKeys, p.SecurityKeyRoots)
			}
		}
	})
}

// keyed gives a person a passkey that a maker vouched for, of a model; change changes it.
func (o *office) keyed(t *testing.T, u idp.User, change ...func(*idp.Passkey)) {
	t.Helper()
	key := &idp.Passkey{CredentialID: []byte(idp.NewID()), PublicKey: []byte{1}, AAGUID: model[:], Attested: true}
	for _, c := range change {
		c(key)
	}
	idptest.Must(t, o.db.CreateFactor(t.Context(), idp.Factor{ID: idp.NewID(), UserID: u.ID, Method: idp.MethodPasskey, Passkey: key, CreatedAt: idp.Now(), LastUsedAt: idp.Now()}))
}

// People with a key in hardware are counted apart, by the models that their population trusts
// now; the choice when a change applies counts those whose passkeys are others.
func TestPeopleWithKeysInHardwareAreCounted(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.exec(t, "DELETE FROM users")
		other := func(k *idp.Passkey) { k.AAGUID = make([]byte, 16); k.AAGUID[0] = 9 }
		unsaid := func(k *idp.Passkey) { k.Attested = false }
		synced := func(k *idp.Passkey) { k.Synced = true }
		o.keyed(t, o.person(t, idp.Agents))
		both := o.person(t, idp.Agents)
		o.keyed(t, both)
		o.keyed(t, both)
		o.keyed(t, both, unsaid)
		for _, change := range []func(*idp.Passkey){other, unsaid, synced} {
			o.keyed(t, o.person(t, idp.Agents), change)
		}
		o.person(t, idp.Agents)
		gone := o.person(t, idp.Agents)
		o.keyed(t, gone)
		o.exec(t, "UPDATE users SET disabled = TRUE WHERE id = '"+gone.ID+"'")
		o.keyed(t, o.person(t, idp.Contacts)) // who trust nobody
		policy := trusting(idptest.NewMaker(t, model))
		idptest.Must(t, o.ruled(t, idp.Agents, policy))
		want := []store.Covered{
			{PopulationID: idp.Agents, Method: idp.MethodPasskey, Hardware: true, People: 2},
			{PopulationID: idp.Agents, Method: idp.MethodPasskey, People: 3},
			{PopulationID: idp.Agents, People: 1},
			{PopulationID: idp.Contacts, Method: idp.MethodPasskey, People: 1},
		}
		got, err := o.Populations.Coverage(t.Context(), authz.System())
		idptest.Must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		preview, err := o.Populations.PreviewPolicy(t.Context(), authz.System(), idp.Agents, policy)
		if err != nil || preview.OtherPasskeys != 4 {
			t.Errorf("%d have other passkeys, %v", preview.OtherPasskeys, err)
		}
		preview, err = o.Populations.PreviewPolicy(t.Context(), authz.System(), idp.Agents, idp.Policy{Passkey: true})
		if err != nil || preview.OtherPasskeys != 0 {
			t.Errorf("where nobody is trusted, %d have others, %v", preview.OtherPasskeys, err)
		}
	})
}

// An app cannot require what none of its people can ever have; and counts who has it not yet.
func TestAnAppRequiresAKeyInHardwareOnlyWherePeopleCanHaveOne(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.exec(t, "DELETE FROM users")
		client, _, err := o.Apps.CreateClient(t.Context(), idp.Client{Name: "App", Populations: []string{idp.Agents}, RedirectURIs: []string{"https://app.example/cb"}})
		idptest.Must(t, err)
		hardware := idp.Override{Mode: idp.OverrideRequired, MinACR: idp.ACRHardware}
		save := func() error {
			_, err := o.Populations.SaveOverride(t.Context(), authz.System(), populations.Change[idp.Override]{ID: client.ID, To: hardware, Apply: populations.OnNextLogin})
			return err
		}
		var wrong settings.Errors
		if err := save(); !errors.As(err, &wrong) || wrong.Of("min_acr") == nil {
			t.Errorf("saved: %v", err)
		}
		idptest.Must(t, o.ruled(t, idp.Agents, trusting(idptest.NewMaker(t, model))))
		o.keyed(t, o.person(t, idp.Agents))
		o.keyed(t, o.person(t, idp.Agents), func(k *idp.Passkey) { k.Attested = false })
		o.enrolled(t, idp.Agents)
		preview, err := o.Populations.PreviewOverride(t.Context(), authz.System(), client.ID, hardware)
		if err != nil || preview.WithoutFactor != 2 {
			t.Errorf("%d would set one up, %v", preview.WithoutFactor, err)
		}
		idptest.Must(t, save())
	})
}
