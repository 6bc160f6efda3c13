package ui

import (
	"fmt"
	"time"
)

// Lane is how far the deliveries to one destination are.
type Lane struct {
	Name                                 string // as it is called here
	Label                                string // as people call it
	URL                                  string // the app's page, may be empty
	Waiting, Retrying, Delivered, Failed int64
	OldestAt                             time.Time // zero for none
	LastError                            string
}

// AuditRow is one event.
type AuditRow struct {
	At         time.Time
	Kind       Link    // in plain words, filters
	Raw        string  // the kind as exports have it
	Person     *Link   // whom it concerns, may be nil
	Actor      *Link   // who did it, nil for the person concerned and the system
	App        *Link   // may be nil
	Population *Link   // may be nil
	Details    []Field // what else is known
	Times      int     // how often it happened, until LastAt
	LastAt     time.Time
	Address    string
	UserAgent  string
}

// ConsoleAudit is the audit log. Its GET form has the fields kind, person, by, app,
// population, from, to.
type ConsoleAudit struct {
	Console
	Action      string
	Kind        Select
	App         Select
	Population  Select
	Person, By  string
	PersonError *Message
	ByError     *Message
	From, To    string
	FromError   *Message
	ToError     *Message
	Active      []Link // filters in force; each address is the page without it
	Events      []AuditRow
	Filtered    bool
	FirstPage   bool // nothing newer exists
	RefreshURL  string
	NewestURL   string
	OlderURL    string // absent when empty
	ExportURL   string
}

func (p ConsoleAudit) about() about {
	return about{
		template: "console-audit", console: true,
		failed: anyOf(p.PersonError, p.ByError, p.FromError, p.ToError, p.Alert),
	}
}

// SigningKey is a key as the console shows it.
type SigningKey struct {
	ID, Algorithm string
	State         Message
	Since, Until  time.Time // Until is zero while no end is known
	Next          bool      // published, and does not sign yet
	RevokeURL     string    // empty for who may not
}

// Migration is one of the database's.
type Migration struct {
	Version int64
	Name    string
	Applied bool
}

// ConsoleSystem is how the installation does. What the viewer may not see is off.
// Form fields: lane of RetryAction; to of MailAction.
type ConsoleSystem struct {
	Console
	ShowKeys       bool
	Keys           []SigningKey
	ShowDeliveries bool
	Lanes          []Lane
	RetryAction    string
	ShowMail       bool
	MailWorks      bool
	MailAction     string
	MailTo         string
	MailError      *Message
	Program        string
	Database       string
	Migration      Migration // the newest that was applied
	Missing        int       // migrations that were not
	Healthy        bool
}

func (p ConsoleSystem) about() about {
	return about{template: "console-system", failed: anyOf(p.MailError, p.Alert), console: true}
}

// Swatch is a brand colour as one theme shows it.
type Swatch struct {
	Theme                    Message
	Surface, Brand, OnBrand  string
	Contrast                 string // of the variant on the surface
	Derived                  bool   // the colour itself would not be readable
	Monogram, Button, Sample string
}

// Swatches are the variants of a colour, with what the theme calls its button; none
// for what is no colour.
func Swatches(color, name, button string, light, dark Key) []Swatch {
	c, err := ParseColor(color)
	if err != nil {
		return nil
	}
	one := func(theme Key, surface, brand, on Color) Swatch {
		return Swatch{
			Theme: *theme.With(), Surface: surface.String(), Brand: brand.String(), OnBrand: on.String(),
			Contrast: fmt.Sprintf("%.1f", Contrast(brand, surface)), Derived: brand != c,
			Monogram: monogram(name), Button: button, Sample: name,
		}
	}
	return []Swatch{one(light, lightSurface, c.Light(), lightOnBrand), one(dark, darkSurface, c.Dark(), darkOnBrand)}
}

// ColorContrast is the contrast of a colour with white, as people write it; empty
// for what is no colour.
func ColorContrast(color string) string {
	c, err := ParseColor(color)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%.1f", Contrast(c, lightSurface))
}
