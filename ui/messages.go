package ui

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed messages/*/*.json
var messageFiles embed.FS

// fallback is the language of every text that a catalogue lacks.
const fallback = "en"

// Key names a text in the catalogues.
type Key string

// With makes a message of the key.
func (k Key) With(args ...any) *Message { return &Message{Key: k, Args: args} }

// plain is the key of a message that says a text as it is.
const plain Key = "{0}"

// Plain is a message that says a text as it is, such as a name.
func Plain(text string) Message { return Message{plain, []any{text}} }

// Message is a text that is not written yet: the page knows the language.
//
// In a catalogue, {0} stands for the first argument; {0:wait} for one that is
// a time.Duration or a number of seconds, written in words; {0:span} for a time.Duration
// that is a limit, in the largest unit that leaves nothing over. A text may have the plural
// forms of its language, chosen by the first number.
type Message struct {
	Key  Key
	Args []any
}

// placeholder is where an argument goes in a text.
var placeholder = regexp.MustCompile(`\{(\d+)(:wait|:span)?\}`)

// catalogs are texts by language and key, read when a language is first written.
type catalogs map[string]func() map[Key]forms

// of are the texts of a language, none of one that is not written.
func (c catalogs) of(lang string) map[Key]forms {
	if read := c[lang]; read != nil {
		return read()
	}
	return nil
}

// texts is an argument that is texts of the catalogues itself.
type texts interface {
	In(text func(key string, args ...any) string) string
}

// UnmarshalJSON reads a text: a string, or an object of forms.
func (f *forms) UnmarshalJSON(data []byte) error {
	var plain string
	if json.Unmarshal(data, &plain) == nil {
		*f = forms{"other": plain}
		return nil
	}
	return json.Unmarshal(data, (*map[string]string)(f))
}

// theCatalogs are those of the whole process: they never change. They are files in the binary,
// which a test has read: that one cannot be read is a fault of the program.
var theCatalogs = func() catalogs {
	out := catalogs{}
	for _, l := range written {
		out[l.tag] = sync.OnceValue(func() map[Key]forms {
			texts, err := readCatalog(l.tag, func(string) bool { return true })
			if err != nil {
				panic(err)
			}
			return texts
		})
	}
	return out
}()

// readCatalog reads the folder of a language, the files of it that are wanted.
func readCatalog(lang string, wanted func(file string) bool) (map[Key]forms, error) {
	files, err := fs.Glob(messageFiles, "messages/"+lang+"/*.json")
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("ui: no messages of %s", lang)
	}
	out := map[Key]forms{}
	for _, file := range files {
		if !wanted(path.Base(file)) {
			continue
		}
		data, err := messageFiles.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("ui: %w", err)
		}
		var texts map[Key]forms
		if err := json.Unmarshal(data, &texts); err != nil {
			return nil, fmt.Errorf("ui: %s: %w", file, err)
		}
		maps.Copy(out, texts)
	}
	return out, nil
}

// Text writes a message in a language, or in English where that lacks it. A
// key that exists nowhere is written as it is.
func (u *UI) Text(lang string, m Message) string {
	return u.fill(lang, m, func(s string) string { return s })
}

// onPage writes a message for a page: a text, or HTML where it tells a time.
func (u *UI) onPage(lang string, m Message) any {
	if !slices.ContainsFunc(m.Args, func(arg any) bool { _, ok := arg.(time.Time); return ok }) {
		return u.Text(lang, m)
	}
	return u.markup(lang, m, "", "")
}

// strong writes a message as HTML with its arguments emphasised.
func (u *UI) strong(lang string, m Message) template.HTML {
	return u.markup(lang, m, "<strong>", "</strong>")
}

// markup writes a message as HTML with markup around its arguments, and times as elements.
func (u *UI) markup(lang string, m Message, before, after string) template.HTML {
	// The message comes from our catalogue, but is escaped all the same: no
	// translation can bring markup.
	const open, end, at = "\x02", "\x03", "\x04"
	args, elements := slices.Clone(m.Args), []string{open, before, end, after}
	for i, arg := range args {
		switch arg := arg.(type) {
		case string:
			args[i] = strings.ReplaceAll(arg, at, "")
		case time.Time:
			args[i] = at + strconv.Itoa(i) + at
			elements = append(elements, at+strconv.Itoa(i)+at, string(u.element(lang, arg, "")))
		}
	}
	text := u.fill(lang, Message{m.Key, args}, func(s string) string {
		return open + strings.NewReplacer(open, "", end, "").Replace(s) + end
	})
	marks := strings.NewReplacer(elements...)
	return template.HTML(marks.Replace(template.HTMLEscapeString(text))) //nolint:gosec // escaped
}

func (u *UI) fill(lang string, m Message, wrap func(string) string) string {
	if m.Key == plain {
		return wrap(fmt.Sprint(m.Args...))
	}
	text, lang, ok := u.lookUp(lang, m.Key)
	if !ok {
		return string(m.Key)
	}
	return placeholder.ReplaceAllStringFunc(text.choose(lang, m.Args), func(found string) string {
		parts := placeholder.FindStringSubmatch(found)
		i, err := strconv.Atoi(parts[1])
		switch {
		case err != nil || i >= len(m.Args):
			return ""
		case parts[2] == ":span":
			return wrap(u.span(lang, m.Args[i]))
		case parts[2] != "":
			return wrap(u.wait(lang, m.Args[i]))
		}
		return wrap(u.arg(lang, m.Args[i]))
	})
}

// lookUp is the text of a key with its language, which is English where the one that is
// asked for lacks it, and else the text about any method: see MethodKey.
func (u *UI) lookUp(lang string, k Key) (text forms, in string, ok bool) {
	for _, key := range []Key{k, k.general()} {
		for _, in := range []string{lang, fallback} {
			if text, ok = u.catalogs.of(in)[key]; ok {
				return text, in, true
			}
		}
	}
	return nil, "", false
}

func (u *UI) arg(lang string, arg any) string {
	if d, ok := arg.(time.Duration); ok {
		return u.wait(lang, d)
	}
	if n, ok := arg.(Count); ok {
		return u.number(lang, int64(n))
	}
	if day, ok := arg.(Day); ok {
		return u.day(lang, day)
	}
	if at, ok := arg.(time.Time); ok {
		return u.moment(lang, at.UTC())
	}
	if list, ok := arg.(texts); ok {
		return list.In(func(key string, args ...any) string { return u.Text(lang, *Key(key).With(args...)) })
	}
	return fmt.Sprint(arg)
}

// Count is an argument that is a number of things, written with its digits in groups.
type Count int64

// number writes a number with its digits in groups, as the language has them.
func (u *UI) number(lang string, n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && n > 0; i -= 3 {
		digits = digits[:i] + u.Text(lang, Message{Key: "console.number.group"}) + digits[i:]
	}
	return digits
}

// wait writes a time to wait in words, rounded up to a unit that suits it.
func (u *UI) wait(lang string, arg any) string {
	var seconds int
	switch a := arg.(type) {
	case time.Duration:
		seconds = int((a + time.Second - 1) / time.Second)
	case int:
		seconds = a
	default:
		return fmt.Sprint(arg)
	}
	up := func(unit int) int { return (seconds + unit - 1) / unit }
	switch {
	case seconds <= 60:
		return u.Text(lang, *Key("wait.seconds").With(max(seconds, 1)))
	case seconds < 100*60:
		return u.Text(lang, *Key("wait.minutes").With(up(60)))
	default:
		return u.Text(lang, *Key("wait.hours").With(up(3600)))
	}
}

// span writes a limit in words.
func (u *UI) span(lang string, arg any) string {
	d, _ := arg.(time.Duration)
	for _, unit := range []struct {
		of  time.Duration
		key Key
	}{{24 * time.Hour, "span.days"}, {time.Hour, "span.hours"}} {
		if d%unit.of == 0 {
			return u.Text(lang, *unit.key.With(int(d / unit.of)))
		}
	}
	return u.Text(lang, *Key("span.minutes").With(int(d / time.Minute)))
}

// LanguageNames are links to all languages, by their own names, with the language as
// the URL.
func (u *UI) LanguageNames() []Link { return u.ownNames(u.Languages()) }

func (u *UI) ownNames(langs []string) (links []Link) {
	for _, lang := range langs {
		links = append(links, Link{u.Text(lang, Message{Key: "language.name"}), lang})
	}
	return links
}
