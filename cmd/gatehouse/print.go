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
// table. most is how many of it, 0 for all.
func (r *remote) rows(list iter.Seq2[json.RawMessage, error], most int, columns []string) error {
	if r.json {
		return r.array(list, most)
	}
	var failed error
	head := strings.ToUpper(strings.NewReplacer("_", " ", ".", " ").Replace(strings.Join(columns, "\t")))
	err := table(r.out, head, func(w io.Writer) {
		failed = each(list, most, func(item json.RawMessage) error {
			values := map[string]string{}
			for _, f := range flatten("", item) {
				values[f.name] = f.value
			}
			cells := make([]string, len(columns))
			for i, name := range columns {
				cells[i] = values[name]
			}
			_, err := fmt.Fprintln(w, strings.Join(cells, "\t"))
			return err
		})
	})
	return errors.Join(failed, err)
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
