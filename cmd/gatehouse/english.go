package main

import (
	"errors"
	"strings"

	"gatehouse/idp/imports"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// inEnglish is what an error says: about fields, in the words of the console and the API.
func inEnglish(err error) string {
	var line *imports.LineError
	wrong, aboutLine := web.Wrong(err), errors.As(err, &line)
	if !aboutLine && wrong == nil {
		return err.Error()
	}
	texts := ui.Texts()
	if aboutLine {
		return line.In(texts.English)
	}
	var list []string
	for _, e := range wrong {
		list = append(list, e.Field+": "+texts.English(e.Key, e.Args...))
	}
	return strings.Join(list, "\n")
}
