package settings

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Unit is one in which people type a duration. Its name is the value of the form's
// NAME_unit.
type Unit struct {
	Name string
	Unit time.Duration
}

// Units are those of forms, the smallest first.
func Units() []Unit {
	return []Unit{{"seconds", time.Second}, {"minutes", time.Minute}, {"hours", time.Hour}, {"days", 24 * time.Hour}}
}

// typed is how people would type a duration: in the largest unit that leaves nothing over.
func typed(d time.Duration) (number, unit string) {
	number, unit = strconv.FormatInt(int64(d/time.Minute), 10), "minutes"
	for _, u := range Units() {
		if d > 0 && d%u.Unit == 0 {
			number, unit = strconv.FormatInt(int64(d/u.Unit), 10), u.Name
		}
	}
	return number, unit
}

// maxTyped bounds the number of a duration, so that no product overflows: in minutes two
// years.
const maxTyped = 1_000_000

func duration(number, unit string) (time.Duration, bool) {
	n, err := strconv.Atoi(number)
	for _, u := range Units() {
		if err == nil && n >= 0 && n <= maxTyped && unit == u.Name {
			return time.Duration(n) * u.Unit, true
		}
	}
	return 0, false
}

// Values are what a form sends that shows t.
func (fs Fields[T]) Values(t T) url.Values {
	to := url.Values{}
	for _, f := range fs {
		switch v := f.get(&t).(type) {
		case string:
			to.Set(f.Name, v)
		case bool:
			if v {
				to.Set(f.Name, "on")
			}
		case int:
			to.Set(f.Name, strconv.Itoa(v))
		case time.Duration:
			number, unit := typed(v)
			to.Set(f.Name, number)
			to.Set(f.Name+"_unit", unit)
		case []string:
			f.write(to, v)
		}
	}
	return to
}

// write shows a list as lines, and a set as ticks, or where it has no values to tick as
// lines.
func (f Field[T]) write(to url.Values, list []string) {
	if f.Kind == KindList || f.Values == nil {
		to.Set(f.Name, strings.Join(list, "\n"))
	} else if len(list) > 0 {
		to[f.Name] = list
	}
}

// Sent are what a form sent, of all that it may have sent: the fields, and the units of
// durations.
func (fs Fields[T]) Sent(form url.Values) url.Values {
	sent := url.Values{}
	for _, f := range fs {
		for _, name := range []string{f.Name, f.Name + "_unit"} {
			if values, ok := form[name]; ok && (name == f.Name || f.Kind == KindDuration) {
				sent[name] = values
			}
		}
	}
	return sent
}

// Read puts what a form sent into t, and returns what of it makes no sense. A choice that
// was not sent stays.
func (fs Fields[T]) Read(from url.Values, t *T) (wrong Errors) {
	for _, f := range fs {
		if f.Kind == KindChoice && !from.Has(f.Name) {
			continue // a form that does not ask
		}
		value, ok := f.parse(from)
		if !ok {
			wrong = append(wrong, Error{Field: f.Name, Key: "settings.number"})
			continue
		}
		f.set(t, value)
	}
	return wrong
}

func (f Field[T]) parse(from url.Values) (value any, ok bool) {
	text := strings.TrimSpace(from.Get(f.Name))
	switch f.Kind {
	case KindFlag:
		return text == "on", true
	case KindNumber:
		if text == "" && f.Least == 0 {
			return 0, true
		}
		n, err := strconv.Atoi(text)
		return n, err == nil
	case KindDuration:
		return duration(text, from.Get(f.Name+"_unit"))
	case KindList:
		return lines(from.Get(f.Name)), true
	case KindSet:
		if f.Values == nil {
			return strings.Fields(strings.Join(from[f.Name], "\n")), true
		}
		return from[f.Name], true
	case KindLine, KindText, KindChoice:
	}
	return text, true
}

func lines(text string) (list []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}
