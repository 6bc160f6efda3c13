package admin

import (
	"errors"
	"fmt"
	"slices"

	"gatehouse/idp"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/settings"
	"gatehouse/ui"
)

// personForm is the form of a person who is added or invited.
func personForm(op, at string) section[people.NewUser, people.NewUser] {
	type person = people.NewUser
	return section[person, person]{
		thing: "person", fields: manage.NewUserFields(),
		load:  func(v *visit) (person, error) { return person{Population: v.Query("population")}, v.authorize(op) },
		at:    func(*visit) string { return at },
		seen:  func(n person) (person, int64) { return n, 0 },
		check: func(*visit, person, *person) settings.Errors { return nil }, // the operation does
		frame: func(v *visit, _ person) (page ui.ConsoleForm, err error) {
			page.Console, err = v.frame(v.Request.Context(), "/people")
			page.Crumbs, page.CancelURL = v.peopleCrumbs(), v.path("/people")
			return page, err
		},
	}
}

// dressPerson makes inputs of the form what it has: populations to choose from, and the
// roles that the viewer may give.
func (v *visit) dressPerson(n people.NewUser, takes func(idp.Population) bool, page *ui.ConsoleForm) error {
	inputNamed(page.Inputs, "email").Kind = ui.EmailInput
	populations, err := v.console.Store.Populations(v.Request.Context())
	if err != nil {
		return err
	}
	population := inputNamed(page.Inputs, "population")
	population.Kind = ui.SelectInput
	for _, p := range populations {
		if takes(p) {
			population.Choices = append(population.Choices, ui.Choice{Value: p.ID, Label: v.populationName(p), Chosen: p.ID == n.Population})
		}
	}
	roles := inputNamed(page.Inputs, "roles")
	if roles.Ticks, err = v.givable(n.Roles); len(roles.Ticks) == 0 {
		page.Inputs = slices.DeleteFunc(page.Inputs, func(i ui.Input) bool { return i.Name == "roles" })
	}
	return err
}

// taken says beside the address that it is in use.
func taken(err error, key string) error {
	if errors.Is(err, idp.ErrConflict) {
		return fmt.Errorf("%w: %w", err, settings.Invalid("email", key))
	}
	return err
}

// newPerson is the form to add a person.
func newPerson() section[people.NewUser, people.NewUser] {
	x := personForm("AddUser", "/people/new")
	x.more = func(v *visit, _, n people.NewUser, page *ui.ConsoleForm) error {
		page.Name, page.Heading, page.Submit = "console-person-new", *ui.Key("console.person.new").With(), *ui.Key("console.people.add").With()
		err := v.dressPerson(n, func(idp.Population) bool { return true }, page)
		page.Inputs = append(page.Inputs, ui.Input{
			Kind: ui.PasswordInput, Name: "password", Hint: *ui.Key("console.person.password_optional").With(),
		})
		return err
	}
	x.add = func(v *visit, _, n people.NewUser) error {
		n.Password = v.PostForm("password")
		u, err := v.console.Manage.People.AddUser(v.Request.Context(), v.actor, n)
		if err != nil {
			return taken(err, "settings.user.email_taken")
		}
		return v.done("/people/"+u.ID, "console.done.person_added")
	}
	return x
}

// invitation is the form to invite a person.
func invitation() section[people.NewUser, people.NewUser] {
	x := personForm("Invite", "/people/invite")
	x.more = func(v *visit, _, n people.NewUser, page *ui.ConsoleForm) error {
		page.Name, page.Heading, page.Submit = "console-invite", *ui.Key("console.invite.heading").With(), *ui.Key("console.invite.send").With()
		page.Lead = *ui.Key("console.invite.lead").With()
		inputNamed(page.Inputs, "name").Hint = *ui.Key("console.invite.name_hint").With()
		return v.dressPerson(n, func(p idp.Population) bool { return p.Access.Password }, page)
	}
	x.add = func(v *visit, _, n people.NewUser) error {
		e, err := v.console.Manage.Links.Invite(v.Request.Context(), v.actor, n)
		switch {
		case errors.Is(err, system.ErrNoMail):
			return fmt.Errorf("%w: %w: %w", idp.ErrConflict, err, settings.Invalid("", "settings.invitation.no_mail"))
		case err != nil:
			return taken(err, "console.invite.taken")
		}
		return v.toInvitations(e.PopulationID, "console.done.invited")
	}
	return x
}

// withRoles shows a form on which roles may be given. That asks for a fresh second step:
// better now than after the form.
func (v *visit) withRoles(x section[people.NewUser, people.NewUser]) error {
	if _, err := x.load(v); err == nil && v.actor.CanDo("SetRoles") && !v.fresh() {
		return v.proveAgain(v.backTo())
	}
	return x.get(v)
}

// changedPerson is the form of who a person is; done, the person is shown. Another address
// asks for a fresh second step.
func changedPerson() section[people.UserDetail, idp.User] {
	type detail = people.UserDetail
	return section[detail, idp.User]{
		thing: "person", fields: people.PersonFields(), early: true,
		load:  (*visit).personNamed, // the operation refuses who may not, and the audit log has it
		home:  func(d detail) string { return "/people/" + d.ID + "/edit" },
		seen:  func(d detail) (idp.User, int64) { return d.User, d.Version },
		check: func(*visit, detail, *idp.User) settings.Errors { return nil },
		frame: func(v *visit, d detail) (page ui.ConsoleForm, err error) {
			page.Console, err = v.personFrame(d, true)
			page.CancelURL, page.Heading = v.path("/people/"+d.ID), *ui.Key("console.person.edit").With()
			return page, err
		},
		more: func(v *visit, d detail, _ idp.User, page *ui.ConsoleForm) error {
			page.Name = "console-person-edit"
			email := inputNamed(page.Inputs, "email")
			if email.Kind, email.Fixed = ui.EmailInput, !v.actor.CanMoveEmail(d.Person); email.Fixed {
				email.Hint = *ui.Key("console.person.email_fixed").With()
			}
			return nil
		},
		add: func(v *visit, d detail, u idp.User) error {
			saved, err := v.console.Manage.People.UpdateUser(v.Request.Context(), v.actor, d.ID, people.UserChange{
				Version: v.seenVersion(), Name: &u.Name, Email: &u.Email, Locale: &u.Locale,
				GivenName: &u.GivenName, FamilyName: &u.FamilyName, Zoneinfo: &u.Zoneinfo, Picture: &u.Picture,
			})
			if err != nil {
				if _, found := v.editable("UpdateUser"); found != nil { // no form for who may not
					return found
				}
				return err
			}
			return v.saved("/people/"+d.ID, v.seenVersion(), saved.Version, "console.done.person_saved")
		},
	}
}

// editPerson is the form of who a person is.
func (v *visit) editPerson() error {
	if _, err := v.editable("UpdateUser"); err != nil {
		return err
	}
	return changedPerson().get(v)
}
