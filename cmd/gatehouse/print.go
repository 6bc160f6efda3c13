package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode"
)

// terminal is what a command reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// show prints an answer: as it came, or its fields in their order.
func (r *remote) show(body json.RawMessage) error {
	if len(body) == 0 {
		return nil
	}
	if r.json {
		_, err := r.out.Write(body)
		return err
	}
	return table(r.out, "FIELD\tVALUE", func(w io.Writer) {
		for _, f := range flatten("", body) {
			fmt.Fprintf(w, "%s\t%s\n", f.name, f.value)
		}
	})
}

// rows prints a list: one JSON array, which is not closed unless it is whole, or a
// table, aligned page by page, so that it can be of any length. most is how many of
// it, 0 for all.
func (r *remote) rows(list iter.Seq2[json.RawMessage, error], most int, columns []string) error {
	if r.json {
		return r.array(list, most)
	}
	w := columned(r.out)
	n := 0
	err := each(list, most, func(item json.RawMessage) error {
		if n == 0 {
			fmt.Fprintln(w, head(columns))
		}
		fmt.Fprintln(w, row(item, columns))
		if n++; n%pageSize != 0 {
			return nil
		}
		return w.Flush()
	})
	if err == nil && n == 0 {
		fmt.Fprintln(w, head(columns))
	}
	return errors.Join(err, w.Flush())
}

// head names columns by the last words of their paths.
func head(columns []string) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = strings.ToUpper(strings.ReplaceAll(c[strings.LastIndex(c, ".")+1:], "_", " "))
	}
	return strings.Join(names, "\t")
}

func row(item json.RawMessage, columns []string) string {
	values := map[string]string{}
	for _, f := range flatten("", item) {
		values[f.name] = f.value
	}
	cells := make([]string, len(columns))
	for i, name := range columns {
		cells[i] = values[name]
	}
	return strings.Join(cells, "\t")
}

func (r *remote) array(list iter.Seq2[json.RawMessage, error], most int) error {
	before := "[\n"
	err := each(list, most, func(item json.RawMessage) error {
		_, err := fmt.Fprintf(r.out, "%s%s", before, item)
		before = ",\n"
		return err
	})
	if err != nil {
		return err
	}
	end := "\n]\n"
	if before == "[\n" {
		end = "[]\n"
	}
	_, err = io.WriteString(r.out, end)
	return err
}

// each calls f for the beginning of a list.
func each(list iter.Seq2[json.RawMessage, error], most int, f func(json.RawMessage) error) error {
	n := 0
	for item, err := range list {
		if err == nil {
			err = f(item)
		}
		if n++; err != nil || n == most {
			return err
		}
	}
	return nil
}

// field is a value of an answer by its path, such as client.name.
type field struct{ name, value string }

// flatten lists the values of a JSON text in the order in which they stand.
func flatten(name string, text json.RawMessage) []field {
	text = bytes.TrimSpace(text)
	d := json.NewDecoder(bytes.NewReader(text))
	var fields []field
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		_, _ = d.Token()
		for d.More() {
			key, _ := d.Token()
			var value json.RawMessage
			if d.Decode(&value) != nil {
				return fields
			}
			fields = append(fields, flatten(strings.TrimPrefix(fmt.Sprintf("%s.%v", name, key), "."), value)...)
		}
		return fields
	case bytes.HasPrefix(text, []byte("[{")):
		var items []json.RawMessage
		_ = d.Decode(&items)
		for i, item := range items {
			fields = append(fields, flatten(fmt.Sprintf("%s.%d", name, i+1), item)...)
		}
		return fields
	}
	return []field{{name, printable(text)}}
}

// printable is a value in words: a terminal must not obey what it is shown.
func printable(text json.RawMessage) string {
	var value any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return ""
	}
	words := fmt.Sprint(value)
	if list, ok := value.([]any); ok {
		words = strings.TrimSuffix(fmt.Sprintln(list...), "\n")
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, words)
}
