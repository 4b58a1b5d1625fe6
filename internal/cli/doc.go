// Package cli reads options and environment, and runs the commands of etl: one file to a command, the options that
// several share in options_*.go. What a command does lives in the package that it is about.
//
// The rules of options, the same for every command:
//
//   - An option is a flag, --kafka-brokers, and a variable, ETL_KAFKA_BROKERS. The flag wins.
//   - An unknown flag or ETL_ variable is an error that names the nearest one that exists.
//   - A value that does not fit is an error that names the option, the value and the bound.
//   - Two spellings of one thing at the same level, say --mysql-dsn and --mysql-host, are an error. Flags put aside
//     what the environment says in another spelling.
//   - Nothing is started after an error.
package cli
