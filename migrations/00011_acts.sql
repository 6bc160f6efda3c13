-- +goose Up

-- What a service did is found by its id, like what a person did.
UPDATE audit_events SET actor_id = (
    SELECT MIN(c.id) FROM clients c
    WHERE c.kind = 'service' AND REPLACE(audit_events.detail, '"service":"' || c.id || '"', '') <> audit_events.detail
)
WHERE actor_id = '' AND detail LIKE '%"service":"%' AND EXISTS (
    SELECT 1 FROM clients c
    WHERE c.kind = 'service' AND REPLACE(audit_events.detail, '"service":"' || c.id || '"', '') <> audit_events.detail
);

-- +goose Down
UPDATE audit_events SET actor_id = ''
WHERE actor_id <> '' AND REPLACE(detail, '"service":"' || actor_id || '"', '') <> detail;
