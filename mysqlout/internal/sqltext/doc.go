// Package sqltext writes SQL: literals, names, rows, and the names, sizes and conditions of the job's own tables.
//
// Every statement of mysqlout is text that is built here and sent without arguments. The Append functions append to dst
// and return it. Literals are correct only in sessions of package pool, which sets sql_mode and the character set and
// reads them back.
package sqltext
