"""What every sink must stand: one suite for all of them, with real daemons and real targets."""
