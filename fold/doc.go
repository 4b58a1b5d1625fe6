// Package fold turns records into the rows that a batch adds to tables. The program that it runs is given as functions
// ([Config], [Statement]), so that it knows neither SQL nor any other language. The steps for each record:
//
//  1. Open finds the event in it, and the format's parser reads the event's fields: views on the record's bytes.
//  2. Every statement is evaluated for every row of the event: its condition, its key and its values, each of which
//     must fit its column.
//  3. Only after all statements succeeded for all rows are the results merged into the delta. One failure makes the
//     record a dead letter in all of them (P22).
//
// Nothing is allocated for a record whose groups exist already. The package does no I/O and starts no goroutine.
package fold
