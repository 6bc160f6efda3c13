package settings_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/idp"
	"gatehouse/idp/settings"
)

type shade string

// thing has a field of each kind.
type thing struct {
	Name  string
	On    bool
	Count int
	Lasts time.Duration
	Shade shade
	Hosts []string
	Tags  []string
	Story string
	Kinds string
	Other string // belongs to nobody
}

func fields() settings.Fields[thing] {
	return settings.Fields[thing]{
		settings.Line("name", func(t *thing) *string { return &t.Name }).Must("need").Max(5).As(settings.Words).Freely(),
		settings.Flag("on", func(t *thing) *bool { return &t.On }),
		settings.Number("count", func(t *thing) *int { return &t.Count }).Between(0, 24),
		settings.Duration("lasts", func(t *thing) *time.Duration { return &t.Lasts }).Lasts(5*time.Minute, 400*24*time.Hour).Or(time.Hour).
			If(func(t thing) bool { return t.On }),
		settings.Choice("shade", func(t *thing) *shade { return &t.Shade }, "light", "dark").Or("light"),
		settings.List("hosts", func(t *thing) *[]string { return &t.Hosts }).Max(3).Each(10).As(settings.Lower).Rule(host),
		settings.Set("tags", func(t *thing) *[]string { return &t.Tags }, "a", "b", "c"),
		settings.Text("story", func(t *thing) *string { return &t.Story }).Max(20),
		settings.WordSet("kinds", func(t *thing) *string { return &t.Kinds }).Max(3),
	}
}

func host(v string) *settings.Error {
	if strings.Contains(v, ".") {
		return nil
	}
	return &settings.Error{Key: "no-host", Args: []any{v}}
}

// things are valid ones.
func things(t *rapid.T) thing {
	return thing{
		Name: rapid.StringMatching(`[a-zé]{1,5}`).Draw(t, "name"), On: rapid.Bool().Draw(t, "on"), Count: rapid.IntRange(0, 24).Draw(t, "count"),
		Lasts: time.Duration(rapid.IntRange(5, 400*24*60).Draw(t, "lasts")) * time.Minute,
		Shade: rapid.SampledFrom([]shade{"light", "dark"}).Draw(t, "shade"),
		Hosts: rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,4}\.[a-z]{1,4}`), 0, 3, rapid.ID).Draw(t, "hosts"),
		Tags:  rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID).Draw(t, "tags"),
		Story: rapid.StringMatching(`([a-z]{1,4}\n){0,3}[a-z]{1,3}`).Draw(t, "story"),
		Kinds: strings.Join(rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,4}`), 0, 3, rapid.ID).Draw(t, "kinds"), " "),
	}
}

func TestWhatAFormShowsItReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		was, is := things(t), thing{Other: "stays"}
		wrong := fields().Read(fields().Values(was), &is)
		wrong = append(wrong, fields().Check(&is)...)
		if len(wrong) > 0 || !fields().Same(was, is) || is.Other != "stays" {
			t.Fatalf("%+v became %+v: %v", was, is, wrong)
		}
		if sent := fields().Sent(url.Values{"name": {"x"}, "lasts_unit": {"days"}, "on_unit": {"x"}, "other": {"x"}}); len(sent) != 2 {
			t.Fatalf("sent: %v", sent)
		}
	})
}

func TestWhatTheAPIWritesItReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		was, is := things(t), thing{}
		raw, err := json.Marshal(fields().Encode(was))
		if err != nil || strings.Contains(string(raw), "null") {
			t.Fatalf("%s (%v)", raw, err)
		}
		var body map[string]json.RawMessage
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Fatal(err)
		}
		if wrong := fields().Decode(body, &is); len(wrong) > 0 || !fields().Same(was, is) {
			t.Fatalf("%s became %+v: %v", raw, is, wrong)
		}
		before := is
		if wrong := fields().Decode(nil, &is); len(wrong) > 0 || !reflect.DeepEqual(before, is) {
			t.Fatal("an empty body changes something")
		}
	})
}

func TestADifferenceIsOfWhatDiffers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := things(t), things(t)
		diff := fields().Diff(a, b)
		if (len(diff) == 0) != fields().Same(a, b) {
			t.Fatalf("%+v and %+v: %v", a, b, diff)
		}
		for _, f := range fields() {
			_, was := diff["before."+f.Name]
			_, is := diff["after."+f.Name]
			if was != is {
				t.Fatalf("%s: %v", f.Name, diff)
			}
		}
		b = a
		b.Other, b.Tags = "else", slices.Clone(a.Tags)
		slices.Reverse(b.Tags)
		if diff := fields().Diff(a, b); len(diff) > 0 {
			t.Fatalf("the order of a set, and what is no field: %v", diff)
		}
		b.Name += "!"
		if fields().Same(a, b) || fields().Changed(a, b) {
			t.Fatal("a name is a change, and a harmless one")
		}
		if b.On = !a.On; !fields().Changed(a, b) {
			t.Fatal("a switch is sensitive")
		}
	})
}

func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	wrong := fields().Check(&thing{Name: " ", Count: 25, Shade: "red", Hosts: []string{"nowhere"}, Tags: []string{"a", "z"}})
	want := settings.Errors{
		{"name", "need", nil},
		{"count", "settings.between", []any{0, 24}},
		{"shade", "settings.choice", []any{"red", "light, dark"}},
		{"hosts", "no-host", []any{"nowhere"}},
		{"tags", "settings.choice", []any{"z", "a, b, c"}},
	}
	if !reflect.DeepEqual(wrong, want) {
		t.Errorf("wrong: %v", wrong)
	}
	if !errors.Is(wrong.Err(), idp.ErrInvalid) || settings.Errors(nil).Err() != nil {
		t.Error("they are no idp.ErrInvalid, or nothing wrong is an error")
	}
	if more := wrong.And(settings.Error{Field: "count", Key: "again"}, settings.Error{Field: "lasts", Key: "new"}); len(more) != 6 || more.Of("count").Key == "again" {
		t.Errorf("two for one field: %v", more)
	}
}

func TestValuesAreWithinTheirBounds(t *testing.T) {
	ok := thing{Name: "a", On: true, Lasts: time.Hour, Shade: "dark"}
	for name, c := range map[string]struct {
		change func(*thing)
		key    string
	}{
		"as it is":                  {func(*thing) {}, ""},
		"at the least":              {func(t *thing) { t.Lasts = 5 * time.Minute }, ""},
		"a moment less":             {func(t *thing) { t.Lasts = 5*time.Minute - 1 }, "settings.lasts"},
		"a moment less, and off":    {func(t *thing) { t.On, t.Lasts = false, 0 }, ""},
		"five characters":           {func(t *thing) { t.Name = "ééééé" }, ""},
		"six":                       {func(t *thing) { t.Name = "éééééé" }, "settings.long"},
		"a line break":              {func(t *thing) { t.Name = "a\x00b" }, "settings.text"},
		"no UTF-8":                  {func(t *thing) { t.Name = "a\xff" }, "settings.text"},
		"negative":                  {func(t *thing) { t.Count = -1 }, "settings.between"},
		"three hosts, one twice":    {func(t *thing) { t.Hosts = []string{"a.a", "b.b", " A.A ", "c.c", ""} }, ""},
		"four hosts":                {func(t *thing) { t.Hosts = []string{"a.a", "b.b", "c.c", "d.d"} }, "settings.many"},
		"a long one":                {func(t *thing) { t.Hosts = []string{"abcdefgh.ij"} }, "settings.long_each"},
		"a control character in it": {func(t *thing) { t.Hosts = []string{"a.\x01"} }, "settings.text"},
	} {
		value := ok
		c.change(&value)
		wrong, key := fields().Check(&value), ""
		if len(wrong) > 0 {
			key = wrong[0].Key
		}
		if key != c.key || len(wrong) > 1 {
			t.Errorf("%s: %v", name, wrong)
		}
	}
}

func TestNonsenseIsNoValue(t *testing.T) {
	for name, values := range map[string][]string{
		"count": {"ten", "1.5", "99999999999999999999", "0x1"}, "lasts": {"", "-1", "x", "1000001", "9223372036854775807"},
	} {
		for _, v := range values {
			form := url.Values{"lasts": {"1"}, "lasts_unit": {"days"}}
			form.Set(name, v)
			var into thing
			if wrong := fields().Read(form, &into); len(wrong) != 1 || wrong[0].Field != name {
				t.Errorf("%s %q: %v", name, v, wrong)
			}
		}
	}
	for name, values := range map[string][]string{
		"name": {"1", "null", "{}"}, "on": {`"on"`, "null"}, "count": {"1.5", `"1"`}, "lasts": {"9223372036854775807", "-9223372036854775808", `"1h"`},
		"hosts": {`"a"`, "[1]", "null", "{}"},
	} {
		for _, v := range values {
			var into thing
			if wrong := fields().Decode(map[string]json.RawMessage{name: json.RawMessage(v)}, &into); len(wrong) != 1 || wrong[0].Field != name {
				t.Errorf("%s %s: %v", name, v, wrong)
			}
		}
	}
}

func TestANewThingHasTheDefaultsOfWhatIsEmpty(t *testing.T) {
	given := thing{Shade: "dark"}
	fields().Defaults(&given)
	if given.Lasts != time.Hour || given.Shade != "dark" || given.Count != 0 {
		t.Errorf("%+v", given)
	}
	if given = (thing{}); true {
		fields().Defaults(&given)
	}
	if given.Shade != "light" {
		t.Errorf("%+v", given)
	}
}

// columned is a thing with fields in a settings column and one that has a column of its own.
type columned struct {
	Name  string
	Shown bool
	Kept  time.Duration
	Tags  []string
}

func columnedFields() settings.Fields[columned] {
	return settings.Fields[columned]{
		settings.Line("name", func(c *columned) *string { return &c.Name }),
		settings.Flag("shown", func(c *columned) *bool { return &c.Shown }).Or(true).InColumn(),
		settings.Duration("kept", func(c *columned) *time.Duration { return &c.Kept }).Or(time.Hour).InColumn(),
		settings.List("tags", func(c *columned) *[]string { return &c.Tags }).InColumn(),
	}
}

func TestAColumnIsReadAsItWasWrittenAndKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	fields := columnedFields()
	for before, unknown := range map[string]string{"": "", "{}": "", `{"later":[null,1.50],"tags":["old"]}`: `"later":[null,1.50],`} {
		for _, c := range []columned{{Name: "Name", Kept: time.Minute, Tags: []string{"ü", `"`}}, {Name: "Name", Shown: true}} {
			column, err := fields.ToColumn(before, c)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(column, unknown) || strings.Contains(column, "Name") {
				t.Errorf("%s became %s", before, column)
			}
			got := columned{Name: "Name"}
			if err := fields.FromColumn(column, &got); err != nil || len(got.Tags) != len(c.Tags) || got.Shown != c.Shown || got.Kept != c.Kept {
				t.Errorf("%s is %+v, %v", column, got, err)
			}
		}
	}
}

func TestAFieldThatIsNewerThanItsRowHasItsDefault(t *testing.T) {
	t.Parallel()
	var got columned
	if err := columnedFields().FromColumn(`{"kept":0}`, &got); err != nil || !got.Shown || got.Kept != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"[]", "{", `{"shown":"yes"}`, `{"kept":null}`} {
		if err := columnedFields().FromColumn(bad, &got); err == nil || errors.Is(err, idp.ErrInvalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// A text of several lines comes as browsers send it, and the audit log has its digest.
func TestTextsOfSeveralLines(t *testing.T) {
	t.Parallel()
	var is thing
	fields().Defaults(&is)
	is.Name, is.Story = "x", " one\r\ntwo \r\n"
	if wrong := fields().Check(&is); len(wrong) > 0 || is.Story != "one\ntwo" {
		t.Errorf("%q: %v", is.Story, wrong)
	}
	if diff := fields().Diff(thing{}, is)["after.story"]; !strings.HasPrefix(diff, "sha256:") || len(diff) != len("sha256:")+64 {
		t.Errorf("the log says %q", diff)
	}
	for _, story := range []string{"a\rb", "a\x00b", "a\tb", strings.Repeat("x", 21)} {
		is.Story = story
		if fields().Check(&is).Of("story") == nil {
			t.Errorf("%q is taken", story)
		}
	}
}
