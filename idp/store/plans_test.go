package store_test

import (
	"strings"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// crowd is 20,000 people, as many sessions and events, written by the database.
const crowd = `
INSERT INTO users (id, population_id, email, email_key, name, locale, password_hash, disabled, created_at, updated_at, version, second_step, words)
	SELECT lpad(i::text, 8, '0'), CASE WHEN i % 100 = 0 THEN 'agents' ELSE 'contacts' END, 'p' || i || '@rtx.example', convert_to('p' || i || '@rtx.example', 'UTF8'),
		'Ada Nr' || i, '', '', i % 1000 = 0, now(), now(), 1, i % 7 <> 0, 2 FROM generate_series(1, 20000) AS i;
INSERT INTO user_words (user_id, word, population_id)
	SELECT id, email_key, population_id FROM users WHERE id < '1' UNION ALL
	SELECT id, 'ada'::bytea, population_id FROM users WHERE id < '1' UNION ALL
	SELECT id, '\xfe6461'::bytea, population_id FROM users WHERE id < '1' UNION ALL
	SELECT id, convert_to('nr' || id, 'UTF8'), population_id FROM users WHERE id < '1';
INSERT INTO user_roles (user_id, role_id) SELECT id, 'helper' FROM users WHERE id LIKE '%00';
INSERT INTO sessions (id, token_hash, browser_hash, user_id, population_id, policy_version, proofs, address, user_agent, created_at, last_seen_at, expires_at)
	SELECT id, convert_to(id, 'UTF8'), '', id, population_id, 9, '[]', '', '', now(), now(), now() + interval '1 day' FROM users WHERE id < '1';
INSERT INTO audit_events (id, at, kind, actor_id, user_id, population_id, client_id, session_id, address, user_agent, request_id, detail)
	SELECT i::text, now() - i * interval '1 second', 'kind.' || i % 40, CASE WHEN i % 100 = 0 THEN 'a' || i % 1000 ELSE '' END, 'u' || i % 2000,
		CASE WHEN i % 2 = 0 THEN 'agents' ELSE 'contacts' END, CASE WHEN i % 10 = 0 THEN 'c' || i % 50 ELSE '' END, '', '', '', '', '{}'
	FROM generate_series(1, 20000) AS i;
INSERT INTO factors (id, user_id, method, name, secret, last_step, created_at, last_used_at, credential_hash)
	SELECT id, id, 'passkey', '', '', 0, now(), now(), convert_to(id, 'UTF8') FROM users;
ANALYZE factors; ANALYZE users; ANALYZE user_words; ANALYZE user_roles; ANALYZE sessions; ANALYZE audit_events;`

// No list reads more than its page: each goes along an index in the order of the
// page, without sorting.
func TestListsGoAlongAnIndex(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		if db.Dialect() != "postgres" {
			t.Skip("plans are PostgreSQL's")
		}
		for _, id := range []string{idp.Agents, idp.Contacts} {
			_, err := db.CreatePopulation(t.Context(), idptest.Population(id), idp.Now())
			idptest.Must(t, err)
		}
		idptest.Must(t, db.CreateRole(t.Context(), idp.Role{ID: "helper", Name: "Helper"}))
		for _, statement := range strings.Split(crowd, ";") {
			if _, err := db.SQL().ExecContext(t.Context(), statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
		now := idp.Now()
		people := func(q store.PeopleQuery) string { q.Limit = 51; return store.ExplainPeople(t, db.Store, q) }
		within := func(q store.PeopleQuery) string { q.Limit = 51; return store.ExplainWithin(t, db.Store, q) }
		audit := func(q store.AuditQuery) string { q.Limit = 51; return store.ExplainAudit(t, db.Store, q) }
		sessions := func(q store.SessionQuery) string { q.Limit = 51; return store.ExplainSessions(t, db.Store, q) }
		agents := idptest.Population(idp.Agents)
		for name, c := range map[string]struct{ plan, index string }{
			"people":                   {people(store.PeopleQuery{}), "users_pkey"},
			"people, next page":        {people(store.PeopleQuery{AfterID: "00010000"}), "users_pkey"},
			"people of one population": {people(store.PeopleQuery{Population: idp.Agents, AfterID: "00010000"}), "users_population"},
			"without a second step":    {people(store.PeopleQuery{WithoutSecondStep: true}), "users_alone"},
			"of those, one population": {people(store.PeopleQuery{WithoutSecondStep: true, Population: idp.Agents}), "users_alone_population"},
			"disabled":                 {people(store.PeopleQuery{Disabled: new(true)}), "users_disabled"},
			"of a role":                {people(store.PeopleQuery{Role: "helper"}), "user_roles_role"},
			"by email":                 {people(store.PeopleQuery{Words: words("p12")}), "user_words_word"},
			"by email, one population": {people(store.PeopleQuery{Words: words("p12"), Population: idp.Agents}), "user_words_population"},
			"by name":                  {people(store.PeopleQuery{Words: words("ada")}), "user_words_word"},
			"by name, next page":       {people(store.PeopleQuery{Words: words("ada"), AfterWord: []byte("ada"), AfterID: "00000500"}), "user_words_word"},
			"by name, one population":  {people(store.PeopleQuery{Words: words("ada"), Population: idp.Agents}), "user_words_population"},
			"by two words":             {people(store.PeopleQuery{Words: words("ada", "nr0000001")}), "user_words_word"},
			"within a name":            {within(store.PeopleQuery{Words: words("da")}), "user_words_word"},
			"within, next page":        {within(store.PeopleQuery{Words: words("da"), AfterWord: idp.Within([]byte("da")), AfterID: "00000500"}), "user_words_word"},
			"within, one population":   {within(store.PeopleQuery{Words: words("da"), Population: idp.Agents}), "user_words_population"},
			"audit":                    {audit(store.AuditQuery{}), "audit_events_at"},
			"audit, next page":         {audit(store.AuditQuery{BeforeAt: now, BeforeID: "7"}), "audit_events_at"},
			"audit of a time":          {audit(store.AuditQuery{From: now.Add(-time.Hour), To: now}), "audit_events_at"},
			"audit by person":          {audit(store.AuditQuery{UserID: "u7"}), "audit_events_user"},
			"audit by person, next":    {audit(store.AuditQuery{UserID: "u7", BeforeAt: now, BeforeID: "7"}), "audit_events_user"},
			"audit by kind":            {audit(store.AuditQuery{Kind: "kind.7"}), "audit_events_kind"},
			"audit by actor":           {audit(store.AuditQuery{ActorID: "a0"}), "audit_events_actor"},
			"audit by app":             {audit(store.AuditQuery{ClientID: "c10"}), "audit_events_client"},
			"audit by population":      {audit(store.AuditQuery{PopulationID: idp.Agents}), "audit_events_population"},
			"sessions of a population": {sessions(store.SessionQuery{Populations: []idp.Population{agents}}), "sessions_living_population"},
			"sessions":                 {sessions(store.SessionQuery{Populations: []idp.Population{agents, idptest.Population(idp.Contacts)}}), "sessions_living"},
			"a passkey":                {store.ExplainPasskey(t, db.Store, []byte("7")), "factors_credential"},
			"sessions of a person":     {sessions(store.SessionQuery{Populations: []idp.Population{agents}, UserID: "00000007"}), "sessions_user"},
		} {
			if !strings.Contains(c.plan, c.index+" ") {
				t.Errorf("%s does not go along %s:\n%s", name, c.index, c.plan)
			}
			if strings.Contains(c.plan, "Sort") && name != "sessions of a person" || strings.Contains(c.plan, "Seq Scan") {
				t.Errorf("%s sorts or reads all:\n%s", name, c.plan)
			}
		}
	})
}

func words(list ...string) (w [][]byte) {
	for _, text := range list {
		w = append(w, []byte(text))
	}
	return w
}
