package imports

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"gatehouse/idp/settings"
)

// Format is the form of a file.
type Format string

// The forms.
const (
	CSV       Format = "csv"
	JSONLines Format = "jsonl"
)

// Limits of a record: one that is longer has an unclosed quote.
const (
	maxRecord      = 64 << 10 // bytes
	maxRecordLines = 50
)

// Reader reads people from a file. It keeps one record in memory.
type Reader struct {
	format     Format
	population string
	in         *bufio.Reader
	line       int    // of the last that was read
	waiting    []line // that were read too far
	// Of CSV: what divides fields, and the names of the columns.
	comma   rune
	columns []string
}

// line is one of the file, without its end.
type line struct {
	number  int
	text    []byte
	tooLong bool
}

// NewReader begins to read a file. population is that of people of whom the file does
// not say it. Its errors are about the file as a whole.
func NewReader(in io.Reader, format Format, population string) (*Reader, error) {
	r := &Reader{format: format, population: population, in: bufio.NewReaderSize(in, 32<<10)}
	start, err := r.in.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	switch {
	case bytes.HasPrefix(start, []byte("\xef\xbb\xbf")):
		if _, err := r.in.Discard(3); err != nil {
			return nil, fmt.Errorf("read the file: %w", err)
		}
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return nil, errors.New("the file is in UTF-16; save it as UTF-8")
	}
	switch format {
	case JSONLines:
		return r, nil
	case CSV:
		return r, r.readHeader()
	}
	return nil, fmt.Errorf("there is no format %q", format)
}

// readHeader reads the names of the columns. Programs divide by commas, semicolons or
// tabs, as the country has it; the header tells.
func (r *Reader) readHeader() error {
	first, err := r.readLine()
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty")
	}
	if err != nil {
		return err
	}
	r.comma = ','
	for _, c := range ";\t" {
		if strings.Count(string(first.text), string(c)) > strings.Count(string(first.text), string(r.comma)) {
			r.comma = c
		}
	}
	names, err := r.fields(first.text)
	if err != nil || first.tooLong {
		return errors.New("line 1 is not the names of columns")
	}
	for i, name := range names {
		name = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_")
		switch {
		case !slices.Contains(Columns(), name):
			return &LineError{1, settings.Errors{*unknownColumn(name)}}
		case slices.Contains(r.columns, name):
			return fmt.Errorf("column %d: %s is there twice", i+1, name)
		}
		r.columns = append(r.columns, name)
	}
	if !slices.Contains(r.columns, "email") {
		return errors.New("line 1 has no column email")
	}
	return nil
}

// Next reads the next person; io.EOF after the last. A *LineError is about one line,
// and Next may be called again.
func (r *Reader) Next() (Record, error) {
	for {
		l, err := r.readLine()
		switch {
		case err != nil:
			return Record{}, err
		case l.tooLong:
			return Record{}, wrongLine(l.number, "", "settings.import.long", maxRecord)
		case len(bytes.TrimSpace(l.text)) == 0:
			continue
		case r.format == JSONLines:
			return r.object(l)
		}
		return r.row(l)
	}
}

// object is a line that is a JSON object.
func (r *Reader) object(l line) (Record, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(l.text, &object); err != nil || object == nil {
		return Record{}, wrongLine(l.number, "", "settings.import.json")
	}
	texts, wrong := textsOf(object)
	if wrong != nil {
		return Record{}, &LineError{l.number, settings.Errors{*wrong}}
	}
	return record(l.number, r.population, texts)
}

// row is a line of CSV, with the next ones where a quoted field goes on there. Where
// that makes no sense, only the first line is at fault.
func (r *Reader) row(first line) (Record, error) {
	text, more, err := r.quoted(first)
	if err != nil {
		return Record{}, err
	}
	fields, err := r.fields(text)
	var wrong *LineError
	switch {
	case err != nil:
		wrong = wrongLine(first.number, "", "settings.import.quotes")
	case len(fields) != len(r.columns):
		wrong = wrongLine(first.number, "", "settings.import.fields", strconv.Itoa(len(fields)), len(r.columns))
	}
	if wrong != nil {
		r.waiting = append(more, r.waiting...)
		return Record{}, wrong
	}
	texts := map[string]string{}
	for i, name := range r.columns {
		texts[name] = strings.TrimSpace(fields[i])
	}
	return record(first.number, r.population, texts)
}

// quoted adds lines until every quote is closed. more are those that it added.
func (r *Reader) quoted(first line) (text []byte, more []line, err error) {
	text = slices.Clone(first.text)
	for bytes.Count(text, []byte(`"`))%2 == 1 {
		next, err := r.readLine()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, nil, err
		}
		if err == nil {
			more = append(more, next)
		}
		if err != nil || next.tooLong || len(more) > maxRecordLines || len(text)+len(next.text) > maxRecord {
			r.waiting = append(more, r.waiting...)
			return nil, nil, wrongLine(first.number, "", "settings.import.quote")
		}
		text = append(append(text, '\n'), next.text...)
	}
	return text, more, nil
}

// fields divides one record.
func (r *Reader) fields(text []byte) ([]string, error) {
	c := csv.NewReader(bytes.NewReader(text))
	c.Comma, c.FieldsPerRecord = r.comma, -1
	fields, err := c.Read()
	if err == nil {
		if _, err = c.Read(); errors.Is(err, io.EOF) {
			return fields, nil
		}
		err = errors.New("more than one record")
	}
	return nil, err
}

// readLine reads a line, and of one that is too long the beginning.
func (r *Reader) readLine() (line, error) {
	if len(r.waiting) > 0 {
		l := r.waiting[0]
		r.waiting = r.waiting[1:]
		return l, nil
	}
	l := line{number: r.line + 1}
	for {
		part, err := r.in.ReadSlice('\n')
		if len(l.text)+len(part) > maxRecord {
			l.tooLong = true
		} else {
			l.text = append(l.text, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(part) == 0 && len(l.text) == 0 && !l.tooLong:
			return l, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return l, fmt.Errorf("read line %d: %w", l.number, err)
		}
		r.line = l.number
		l.text = bytes.TrimSuffix(bytes.TrimSuffix(l.text, []byte("\n")), []byte("\r"))
		return l, nil
	}
}
