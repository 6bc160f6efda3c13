package store_test

import (
	"fmt"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/store"
)

// A search for two words goes along the rarer one, and on later pages along the
// same, whichever is rarer by then.
func TestASearchForTwoWordsStaysWithItsWord(t *testing.T) {
	t.Parallel()
	idptest.Databases(t, func(t *testing.T, db *idptest.Database) {
		_, err := db.CreatePopulation(t.Context(), idptest.Population(idp.Agents), idp.Now())
		idptest.Must(t, err)
		n := 0
		add := func(many int, name string) {
			for range many {
				n++
				idptest.Must(t, db.CreateUser(t.Context(), idp.User{
					ID: idp.NewID(), PopulationID: idp.Agents, Email: fmt.Sprintf("%d@rtx.example", n), Name: name, CreatedAt: idp.Now(), UpdatedAt: idp.Now(),
				}))
			}
		}
		add(10, "Berta Colen")
		add(5, "Bruno Carlo Coban")
		add(3, "Berta Dolen")
		q := store.PeopleQuery{Words: words("b", "co", "c"), Limit: 4}
		seen := map[string]bool{}
		for pages := 0; ; pages++ {
			rows, err := db.People(t.Context(), q)
			idptest.Must(t, err)
			for _, r := range rows {
				if seen[r.User.ID] || r.Word[0] != 'c' {
					t.Errorf("page %d: %s by %q, before: %t", pages, r.User.Name, r.Word, seen[r.User.ID])
				}
				seen[r.User.ID] = true
			}
			if len(rows) < q.Limit {
				break
			}
			q.AfterWord, q.AfterID = rows[len(rows)-1].Word, rows[len(rows)-1].User.ID
			if pages == 0 {
				add(20, "Cora Aden") // now b is the rarer one
			}
		}
		if len(seen) != 15 {
			t.Errorf("%d people were found", len(seen))
		}
	})
}
