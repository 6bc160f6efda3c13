package ui

import (
	"html/template"
	"regexp"
	"strings"
	"time"
)

// zoneOf is the time zone of a name, such as Europe/Paris; else UTC.
func zoneOf(name string) *time.Location {
	if zone, err := time.LoadLocation(name); err == nil && name != "Local" {
		return zone
	}
	return time.UTC
}

// moment writes a time such as "23 Nov 2026, 14:05 UTC", in the zone that it has.
func (u *UI) moment(lang string, at time.Time) string { return u.dated(lang, at, "15:04") }

func (u *UI) dated(lang string, at time.Time, clock string) string {
	return u.Text(lang, *Key("mail.time").With(at.Day(), u.month(lang, at), at.Year(), at.Format(clock), at.Format("MST")))
}

func (u *UI) month(lang string, at time.Time) string {
	if months := strings.Fields(u.Text(lang, Message{Key: "mail.months"})); len(months) == 12 {
		return months[at.Month()-1]
	}
	return at.Format("Jan")
}

// Day is an argument that is a day, without its time.
type Day time.Time

func (u *UI) day(lang string, day Day) string {
	at := time.Time(day).UTC()
	return u.Text(lang, *Key("mail.day").With(at.Day(), u.month(lang, at), at.Year()))
}

// dayOfMonth writes a day without its year, as short as a scale needs it.
func (u *UI) dayOfMonth(lang string, at time.Time) string {
	at = at.UTC()
	return u.Text(lang, *Key("console.trend.tick").With(at.Day(), u.month(lang, at)))
}

// precise is where the order of what happened matters: its seconds are shown.
const precise = " data-seconds"

// element is a time on a page. It is written in UTC here: RenderFor writes it in the zone of
// the reader's account, and the page's script in that of the browser. UTC is its title.
func (u *UI) element(lang string, at time.Time, seconds string) template.HTML {
	at = at.UTC()
	return template.HTML(`<time datetime="` + at.Format(time.RFC3339) + `" title="` + //nolint:gosec // digits of a date, and texts that are escaped
		template.HTMLEscapeString(u.dated(lang, at, "15:04:05")) + `"` + seconds + `>` +
		template.HTMLEscapeString(u.dated(lang, at, clockOf(seconds))) + `</time>`)
}

func clockOf(seconds string) string {
	if seconds == precise {
		return "15:04:05"
	}
	return "15:04"
}

var timeElement = regexp.MustCompile(`(<time datetime="([^"]+)" title="[^"]*"( data-seconds)?>)[^<]*</time>`)

// inZone writes the times of a page in a zone. What people typed is escaped there and no
// element.
func (u *UI) inZone(lang string, page []byte, zone *time.Location) []byte {
	if zone == time.UTC {
		return page
	}
	return timeElement.ReplaceAllFunc(page, func(found []byte) []byte {
		parts := timeElement.FindSubmatch(found)
		at, err := time.Parse(time.RFC3339, string(parts[2]))
		if err != nil {
			return found
		}
		text := template.HTMLEscapeString(u.dated(lang, at.In(zone), clockOf(string(parts[3]))))
		return []byte(string(parts[1]) + text + "</time>")
	})
}
