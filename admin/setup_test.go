package admin_test

import (
	"net/http"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
)

func TestTheLinkMakesOneAdmin(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		if has, err := h.Manage.Links.HasAdmin(t.Context()); err != nil || has {
			t.Fatalf("an empty database has an admin: %t, %v", has, err)
		}
		token, err := h.Manage.Links.SetupLink(t.Context(), links.FirstSetupLifetime)
		idptest.Must(t, err)
		b, url := idptest.NewBrowser(t), h.Issuer+"/admin/setup/"+token
		page := b.Get(url)
		want(t, b.Get(url), http.StatusOK, "Create the first admin") // looking uses nothing up
		want(t, b.Submit(page, token, "email", "nobody", "password", password), http.StatusUnprocessableEntity, "Create the first admin", "full email address")
		want(t, b.Submit(page, token, "email", "admin@rtx.example", "password", "short"), http.StatusUnprocessableEntity, "Create the first admin", "password-error")
		page = b.Submit(page, token, "email", "admin@rtx.example", "name", "Admin", "password", password)
		want(t, page, http.StatusOK, "Sign in to Gatehouse")
		page = b.Submit(page, "/password", "email", "admin@rtx.example", "password", password)
		phone := idptest.Scan(t, page)
		page = b.Submit(b.Submit(page, "/enrol", "code", phone.Code(0)), "/saved", "saved", "yes")
		want(t, page, http.StatusOK, "Overview", "First steps")

		want(t, b.Get(url), http.StatusGone, "This link does not work any more")
		form := map[string][]string{"email": {"second@rtx.example"}, "password": {password}}
		want(t, b.Post(url, form), http.StatusGone, "This link does not work any more")
		if n := h.Audited(idp.AuditUserCreated); n != 1 {
			t.Errorf("%d people were created", n)
		}
	})
}

func TestOfTwoAtOnceOneBecomesAdmin(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		token, err := h.Manage.Links.SetupLink(t.Context(), links.SetupLifetime)
		idptest.Must(t, err)
		made := 0
		for _, err := range idptest.Race(8, func(i int) error {
			_, err := h.Manage.Links.CreateAdmin(t.Context(), token, people.NewUser{
				Email: string(rune('a'+i)) + "@rtx.example", Password: password,
			})
			return err
		}) {
			if err == nil {
				made++
			}
		}
		if made != 1 {
			t.Errorf("%d admins by one link", made)
		}
	})
}

func TestASetupLinkEnds(t *testing.T) {
	t.Parallel()
	idptest.OverHTTP(t, func(t *testing.T, db *idptest.Database) {
		h := open(t, db)
		old, err := h.Manage.Links.SetupLink(t.Context(), links.SetupLifetime)
		idptest.Must(t, err)
		token, err := h.Manage.Links.SetupLink(t.Context(), links.SetupLifetime)
		idptest.Must(t, err)
		b := idptest.NewBrowser(t)
		want(t, b.Get(h.Issuer+"/admin/setup/"+token), http.StatusOK, "Create the first admin")
		want(t, b.Get(h.Issuer+"/admin/setup/"+old), http.StatusGone, "This link does not work any more")
		want(t, b.Get(h.Issuer+"/admin/setup/guessed"), http.StatusGone, "This link does not work any more")
		db.Age(t, "links", links.SetupLifetime+time.Second)
		want(t, b.Get(h.Issuer+"/admin/setup/"+token), http.StatusGone, "This link does not work any more")
		token, err = h.Manage.Links.SetupLink(t.Context(), links.FirstSetupLifetime)
		idptest.Must(t, err)
		h.person("root@rtx.example", idp.RoleAdmin) // made otherwise
		want(t, b.Get(h.Issuer+"/admin/setup/"+token), http.StatusGone, "This link does not work any more")
	})
}
