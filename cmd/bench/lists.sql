-- What the lists are measured on. The program fills in {now}, {users}, {events} and
-- {words}, and runs each part that begins with "-- part".

-- part functions

-- dice throws a number from 0 to 1 for n, always the same; seed tells throws apart.
CREATE FUNCTION dice(n bigint, seed bigint) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	'SELECT (hashint8extended(n, seed) & 1048575) / 1048576.0::float8';
-- pick is a number from 1 to many, small ones more often, as with names.
CREATE FUNCTION pick(n bigint, seed bigint, many bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	'SELECT 1 + floor(many * dice(n, seed) ^ 2)::bigint';
-- row_id is a UUID of version 7.
CREATE FUNCTION row_id(at timestamp, n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid::text$$;
CREATE FUNCTION user_at(n bigint) RETURNS timestamp LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$SELECT timestamp '{now}' - ({users} - n) * (interval '3 years' / {users})$$;
CREATE FUNCTION user_id(n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT row_id(user_at(n), n)';
CREATE FUNCTION user_population(n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$SELECT CASE WHEN dice(n, 1) < 0.1 THEN 'agents' WHEN dice(n, 1) < 0.101 THEN 'partners' ELSE 'contacts' END$$;
CREATE FUNCTION event_at(n bigint) RETURNS timestamp LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$SELECT timestamp '{now}' - ({events} - n) * (interval '1 year' / {events})$$;
CREATE FUNCTION event_id(n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT row_id(event_at(n), n)';
-- event_kind spreads 30 kinds: the first makes up 22 %, the last 1 in 6,667.
CREATE FUNCTION event_kind(d float8) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$SELECT CASE
		WHEN d < 0.22 THEN 'session.created' WHEN d < 0.42 THEN 'client.authorized' WHEN d < 0.60 THEN 'password.accepted'
		WHEN d < 0.72 THEN 'session.ended' WHEN d < 0.79 THEN 'password.refused' WHEN d < 0.84 THEN 'email_code.sent'
		WHEN d < 0.88 THEN 'browser.new' WHEN d < 0.91 THEN 'totp.refused' WHEN d < 0.93 THEN 'token.revoked'
		WHEN d < 0.945 THEN 'session.stepped_up' WHEN d < 0.955 THEN 'password.throttled' WHEN d < 0.965 THEN 'authorize.refused'
		WHEN d < 0.972 THEN 'factor.enrolled' WHEN d < 0.979 THEN 'recovery.generated' WHEN d < 0.985 THEN 'user.created'
		WHEN d < 0.988 THEN 'email_code.refused' WHEN d < 0.990 THEN 'user.changed' WHEN d < 0.992 THEN 'recovery.saved'
		WHEN d < 0.994 THEN 'recovery.used' WHEN d < 0.9955 THEN 'password.changed' WHEN d < 0.9965 THEN 'totp.throttled'
		WHEN d < 0.9975 THEN 'setup.offered' WHEN d < 0.9980 THEN 'recovery.viewed' WHEN d < 0.9985 THEN 'totp.replayed'
		WHEN d < 0.9989 THEN 'user.roles_changed' WHEN d < 0.9992 THEN 'code.reused' WHEN d < 0.9995 THEN 'refresh.reused'
		WHEN d < 0.9997 THEN 'user.disabled' WHEN d < 0.99985 THEN 'mfa.reset' ELSE 'operation.refused' END$$;

-- names are words of three syllables.
CREATE TABLE names AS SELECT k, string_agg(syllable, '' ORDER BY place) AS word FROM (
	SELECT k, place, (string_to_array('ba be dro fa fin ga go ha hel ir jo ka kel la li lo ma men mi na nor o pa pel ra ro sa so ta ti va wen', ' '))
		[1 + (k * 7919 >> (5 * place)) % 32] AS syllable FROM generate_series(1, {words}) AS k, generate_series(0, 2) AS place) AS s GROUP BY k;
CREATE TABLE apps AS SELECT row_number() OVER (ORDER BY id) - 1 AS k, id FROM clients;
ANALYZE names; ANALYZE apps;

-- part people

INSERT INTO users (id, population_id, email, email_key, name, locale, password_hash, disabled, created_at, updated_at, version, second_step, indexed, words)
	SELECT user_id(i), user_population(i), email, convert_to(email, 'UTF8'), name, 'en', '', dice(i, 2) < 0.01, user_at(i), user_at(i), 1, dice(i, 3) < 0.7, TRUE, 2
	FROM (SELECT i, initcap(f.word) || ' ' || initcap(l.word) || CASE WHEN dice(i, 4) < 0.02 THEN '-' || initcap(m.word) ELSE '' END AS name,
			f.word || '.' || l.word || i || '@' || d.word || '.example' AS email
		FROM generate_series(1, {users}) AS i
		JOIN names f ON f.k = pick(i, 5, {words} / 10) JOIN names l ON l.k = pick(i, 6, {words})
		JOIN names m ON m.k = pick(i, 7, {words}) JOIN names d ON d.k = pick(i, 8, 500)) AS people;
INSERT INTO factors (id, user_id, method, name, secret, last_step, created_at, last_used_at)
	SELECT user_id(i), user_id(i), CASE WHEN dice(i, 9) < 0.8 THEN 'totp' ELSE 'email' END, 'Agent portal', '\x00', 0, user_at(i), user_at(i)
	FROM generate_series(1, {users}) AS i WHERE dice(i, 3) < 0.7;
INSERT INTO user_roles (user_id, role_id)
	SELECT user_id(i), r FROM generate_series(1, {users}) AS i, (VALUES ('agent', 1), ('manager', 0.01), ('admin', 0.001)) AS roles (r, share)
	WHERE user_population(i) = 'agents' AND dice(i, 10) < share;
INSERT INTO recovery_sets (id, user_id, created_at, saved_at)
	SELECT user_id(i), user_id(i), user_at(i), user_at(i) FROM generate_series(1, {users}) AS i WHERE dice(i, 11) < 0.05;
INSERT INTO recovery_codes (id, set_id, user_id, position, mac, sealed)
	SELECT id || p, id, user_id, p, convert_to(id || p, 'UTF8'), '' FROM recovery_sets, generate_series(0, 9) AS p;

-- An agent signs in once a day and counts for an hour after the last click, a
-- contact for a week: the share that counts at this moment is the smaller one.
INSERT INTO sessions (id, token_hash, browser_hash, user_id, population_id, policy_version, proofs, address, user_agent, created_at, last_seen_at, expires_at)
	SELECT row_id(born, i), convert_to(user_id(i), 'UTF8'), '', user_id(i), user_population(i), 1, '[]', '192.0.2.7', 'Mozilla/5.0 (X11; Linux x86_64)',
		born, least(born + dice(i, 13) * life / 2, timestamp '{now}'), born + life
	FROM (SELECT i, life, timestamp '{now}' - dice(i, 12) * life AS born FROM (
		SELECT i, CASE user_population(i) WHEN 'agents' THEN interval '1 day' ELSE interval '30 days' END AS life
		FROM generate_series(1, {users}) AS i WHERE dice(i, 14) < 0.05) AS some_people) AS signed_in;
INSERT INTO grants (id, client_id, user_id, session_id, population_id, policy_version, redirect_uri, scope, nonce, code_challenge, code_hash, code_expires_at,
		code_used_at, proofs, acr, offline, created_at, expires_at)
	SELECT s.id, a.id, s.user_id, s.id, s.population_id, 1, '', 'openid', '', '', convert_to(s.id, 'UTF8'), s.created_at, s.created_at, '[]', '', FALSE, s.created_at, s.expires_at
	FROM sessions s JOIN apps a ON a.k = hashtext(s.id) & 31;

-- part events

-- Of 40 apps, the first ten are the agents' and the others everybody else's. What
-- was done to somebody by another was done by one of 200 admins. Agents get no email
-- codes.
INSERT INTO audit_events (id, at, kind, actor_id, user_id, population_id, client_id, session_id, address, user_agent, request_id, detail)
	SELECT event_id(i), event_at(i), event_kind(CASE WHEN d >= 0.79 AND d < 0.84 AND user_population(u) = 'agents' THEN 0.5 ELSE d END), CASE WHEN d < 0.72 THEN user_id(u) WHEN d < 0.979 THEN '' ELSE user_id(pick(i, 25, 200)) END,
		user_id(u), user_population(u), coalesce(a.id, ''), CASE WHEN d < 0.72 THEN row_id(event_at(i), u) ELSE '' END, '192.0.2.' || u % 250,
		'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36', md5(i::text),
		CASE WHEN d < 0.6 THEN '{"method":"totp","policy":"1"}' ELSE '{}' END
	FROM (SELECT i, dice(i, 21) AS d, pick(i, 22, {users}) AS u FROM generate_series({from}, {to}) AS i) AS happened
	LEFT JOIN apps a ON d < 0.42 AND a.k = CASE user_population(u) WHEN 'agents' THEN pick(i, 23, 10) - 1 ELSE pick(i, 24, 30) + 9 END;
