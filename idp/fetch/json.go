package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// ErrNotJSON: the answer is not the JSON that was expected.
var ErrNotJSON = errors.New("the answer is not JSON")

// JSON reads a JSON document, of which the client cuts what is too long.
func JSON(ctx context.Context, client *http.Client, address, bearer string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", address, err)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("fetch %s: status %d", address, res.StatusCode)
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return fmt.Errorf("fetch %s: %w", address, errors.Join(ErrNotJSON, err))
	}
	return nil
}

// Brief is an error for the logs: what libraries say of an answer may be all of it.
func Brief(err error) error {
	const most = 200
	text := []rune(strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, err.Error()), "?"))
	if len(text) > most {
		return errors.New(string(text[:most]) + "…")
	}
	return errors.New(string(text))
}
