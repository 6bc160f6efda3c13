package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"gatehouse/idp"
)

// steps is a table with one row for each sign-in of the floor. Each call is one
// durable commit.
type steps interface {
	exec(ctx context.Context, statement string, args ...any) error
}

type postgresSteps struct{ *pgxpool.Pool }

func (s postgresSteps) exec(ctx context.Context, statement string, args ...any) error {
	_, err := s.Exec(ctx, statement, args...)
	return err
}

type sqliteSteps struct{ *sql.DB }

func (s sqliteSteps) exec(ctx context.Context, statement string, args ...any) error {
	_, err := s.ExecContext(ctx, statement, args...) // #nosec G701 -- all statements are constants of this file
	return err
}

func (f *floor) open(ctx context.Context) error {
	if f.World.Database != "" {
		if err := f.openPostgres(ctx); err != nil {
			return err
		}
		f.steps = postgresSteps{f.pool}
	} else {
		q := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"}}
		db, err := sql.Open("sqlite", "file:"+filepath.Join(f.World.Data, "floor.db")+"?"+q.Encode())
		if err != nil {
			return fmt.Errorf("open SQLite: %w", err)
		}
		db.SetMaxOpenConns(1)
		f.steps = sqliteSteps{db}
	}
	return f.steps.exec(ctx, "CREATE TABLE IF NOT EXISTS floor_steps (id TEXT PRIMARY KEY, step BIGINT NOT NULL, data TEXT NOT NULL)")
}

func (f *floor) close() error {
	if db, ok := f.steps.(sqliteSteps); ok {
		return db.Close()
	}
	f.pool.Close()
	return nil
}

// authorize answers a browser with a session at once, and lets another begin a
// sign-in: the first of its three steps.
func (f *floor) authorize(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	session, errSession := r.Cookie(sessionCookie)
	browser, errBrowser := r.Cookie(browserCookie)
	if errSession == nil && errBrowser == nil {
		location, err := f.grantAtOnce(r.Context(), session.Value, browser.Value, q)
		if err != nil {
			return err
		}
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusFound)
		return nil
	}
	flow := idp.NewSecret()
	if err := f.steps.exec(r.Context(), "INSERT INTO floor_steps (id, step, data) VALUES ($1, 1, $2)", flow, r.URL.RawQuery); err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: browserCookie, Value: idp.NewSecret(), Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	w.Header().Set("Location", "/login/"+flow)
	w.WriteHeader(http.StatusFound)
	return nil
}

var pageBytes = make([]byte, 4096)

// page is what a sign-in cannot do without either: some bytes to look at.
func page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(pageBytes) // the load sees a short answer by itself
}

func (f *floor) postPassword(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	ok, _, err := f.hasher.Verify(r.Context(), f.World.PasswordHash, r.PostForm.Get("password"))
	if err != nil || !ok {
		return errors.Join(errors.New("refused password"), err)
	}
	return f.step(w, r, 2, "/login/"+r.PathValue("flow"))
}

func (f *floor) postCode(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: idp.NewSecret(), Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return f.step(w, r, 3, redirectURI+"?code="+idp.NewSecret())
}

func (f *floor) step(w http.ResponseWriter, r *http.Request, step int, location string) error {
	err := f.steps.exec(r.Context(), "UPDATE floor_steps SET step = $1 WHERE id = $2", step, r.PathValue("flow"))
	if err != nil {
		return err
	}
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}
