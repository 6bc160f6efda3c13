package main

import (
	"net/http"

	"gatehouse/admin/apiclient"
)

type populationCommand struct {
	connection

	List populationList `cmd:"" help:"List user groups."`
	Show populationShow `cmd:"" help:"Read a user group with its settings."`
	Set  populationSet  `cmd:"" help:"Change a part of a user group's settings; what is left out stays."`
}

type populationList struct{}

// Run lists populations.
func (c populationList) Run(r *remote) error {
	return r.all("/populations", "populations", struct{}{}, "id", "name", "version")
}

type populationShow struct{ group }

// Run shows a population.
func (c populationShow) Run(r *remote) error { return r.do(http.MethodGet, c.at(), nil) }

// group is the argument of commands that are about one population.
type group struct {
	Population string `arg:"" help:"User group, such as agents." json:"-"`
}

func (g group) at(below ...string) string {
	return apiclient.At(append([]string{"populations", g.Population}, below...)...)
}

type populationSet struct {
	Brand        setBrand        `cmd:"" help:"Name, colour, logo and links."`
	Registration setRegistration `cmd:"" help:"Whether people may make themselves an account."`
	Passwords    setPasswords    `cmd:"" help:"What passwords must be."`
	Sessions     setSessions     `cmd:"" help:"How long sessions last."`
	MFA          setMFA          `cmd:"" name:"mfa" help:"Which second steps people are asked for."`
	Access       setAccess       `cmd:"" help:"How people sign in. 'gatehouse policy access set' says first whom it concerns."`
}

// part is a part of a population's settings that a command changes.
type part struct {
	group
	versioned
	described
}

// save changes what stands at a path below the population. It is read there, or within
// the population.
func (p part) save(r *remote, own any, below string, in ...string) error {
	body, err := p.onto(own)
	if err != nil {
		return err
	}
	c := change{
		read: p.at(below), method: http.MethodPut, write: p.at(below), body: body, whole: true, part: in,
		except: []string{"id", "settings", "version", "at_sign_in"},
	}
	if below == "brand" || in != nil {
		c.read = p.at()
	}
	return r.change(p.versioned, c)
}

type setBrand struct{ part }

// Run changes a brand.
func (c setBrand) Run(r *remote) error { return c.save(r, struct{}{}, "brand") }

type setRegistration struct{ part }

// Run changes who may register.
func (c setRegistration) Run(r *remote) error {
	return c.save(r, struct{}{}, "registration", "settings", "registration")
}

type setPasswords struct {
	part
	because

	Apply string `help:"When it applies: immediately signs everybody concerned out, next_login asks at the next sign-in, new_passwords asks nobody." enum:"immediately,next_login,new_passwords" required:"" json:"apply"`
}

// Run changes password requirements.
func (c setPasswords) Run(r *remote) error {
	own := map[string]string{"apply": c.Apply, "reason": c.Reason}
	return c.save(r, own, "password-requirements")
}

type setSessions struct {
	part
	because
}

// Run changes how long sessions last.
func (c setSessions) Run(r *remote) error { return c.save(r, c.because, "session-configuration") }

type setMFA struct {
	part
	applying

	PasswordAlone bool `help:"Confirm that the password alone shall do, when no method is enabled." json:"password_alone,omitempty"`
}

// Run changes an MFA policy.
func (c setMFA) Run(r *remote) error {
	own := map[string]any{"apply": c.Apply, "reason": c.Reason}
	if c.PasswordAlone {
		own["password_alone"] = true
	}
	return c.save(r, own, "mfa-policy")
}

type setAccess struct {
	part
	because
}

// Run changes portal access.
func (c setAccess) Run(r *remote) error { return c.save(r, c.because, "access", "settings", "access") }
