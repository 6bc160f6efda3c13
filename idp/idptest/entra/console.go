package entra

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// console is what the demo's page shows.
type console struct {
	Directories []directoryRow
	Apps        []App
	People      []personRow
	Switches    []switchRow
	Skew        int // seconds
}

type directoryRow struct{ Name, ID, Issuer string }

type personRow struct {
	Person
	DirectoryName string
}

type switchRow struct {
	Fault Fault
	Text  string
	State string
}

// showConsole lists what there is and how to make it misbehave.
func (t *Tenant) showConsole(w http.ResponseWriter, _ *http.Request) {
	c := &console{Switches: t.switches()}
	for _, d := range t.directories {
		c.Directories = append(c.Directories, directoryRow{d.Name, d.ID, t.Issuer(d.ID)})
	}
	c.Directories = append(
		c.Directories,
		directoryRow{"Personal accounts", Consumers, t.Issuer(Consumers)},
		directoryRow{"Another OpenID provider", Generic, t.Issuer(Generic)},
	)
	t.faults.mu.Lock()
	c.Skew = int(t.faults.skew / time.Second)
	t.faults.mu.Unlock()
	t.mu.Lock()
	c.Apps = slices.Clone(t.apps)
	for _, p := range t.people {
		c.People = append(c.People, personRow{p.clone(), p.Directory})
	}
	t.mu.Unlock()
	for i := range c.People {
		for _, d := range c.Directories {
			if d.ID == c.People[i].Directory {
				c.People[i].DirectoryName = d.Name
			}
		}
	}
	t.pages.show(w, http.StatusOK, "console", page{Title: "Simulated Microsoft Entra", Console: c})
}

// switches say what is on.
func (t *Tenant) switches() []switchRow {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	var rows []switchRow
	for _, f := range faultTexts {
		state := "off"
		switch n := t.faults.left[f.Fault]; {
		case n == forever:
			state = "on"
		case n > 0:
			state = "next time"
		}
		rows = append(rows, switchRow{f.Fault, f.Text, state})
	}
	return rows
}

// setSwitch takes a press of the console's buttons.
func (t *Tenant) setSwitch(w http.ResponseWriter, r *http.Request) {
	x := Fault(r.PostFormValue("fault"))
	known := slices.ContainsFunc(t.switches(), func(s switchRow) bool { return s.Fault == x })
	switch do := r.PostFormValue("do"); {
	case do == "mend":
		t.Mend()
	case do == "rotate":
		for _, directory := range []string{organizations, Consumers, Generic} {
			if err := t.RotateKeys(directory, false); err != nil {
				t.fail(w, serverError(err))
				return
			}
		}
	case do == "skew":
		seconds, err := strconv.Atoi(cmp.Or(r.PostFormValue("seconds"), "0"))
		if err != nil {
			http.Error(w, "The skew is a number of seconds.", http.StatusBadRequest)
			return
		}
		t.SetSkew(time.Duration(seconds) * time.Second)
	case do == "on" && known:
		t.Break(x)
	case do == "once" && known:
		t.BreakOnce(x)
	case do == "off" && known:
		t.Mend(x)
	default:
		http.Error(w, "There is no such switch.", http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// setPerson changes what the directory says of a person.
func (t *Tenant) setPerson(w http.ResponseWriter, r *http.Request) {
	err := t.ChangePerson(r.PostFormValue("directory"), r.PostFormValue("username"), func(p *Person) {
		p.Email = r.PostFormValue("email")
		p.EmailVerified = r.PostFormValue("verified") == "yes"
	})
	if err != nil {
		http.Error(w, "There is no such person.", http.StatusNotFound)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
