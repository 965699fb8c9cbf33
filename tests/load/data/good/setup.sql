select 1; -- a file is taken as it stands: ${vars.guests}
