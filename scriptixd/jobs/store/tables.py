"""All tables of the state file, for those who change something; who only looks takes a glance.Glance."""

from __future__ import annotations

from scriptixd.jobs.store.asked import Asked
from scriptixd.jobs.store.contents import Contents
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.deliveries import Deliveries
from scriptixd.jobs.store.erasures import Erasures
from scriptixd.jobs.store.errands import Errands
from scriptixd.jobs.store.expiry import Expiry
from scriptixd.jobs.store.forgetting import Forgetting
from scriptixd.jobs.store.jobs import Jobs
from scriptixd.jobs.store.ledger import Ledger
from scriptixd.jobs.store.limits import Openings, Pauses
from scriptixd.jobs.store.notices import Notices
from scriptixd.jobs.store.requests import Requests
from scriptixd.jobs.store.sources import Sources
from scriptixd.jobs.store.today import Today
from scriptixd.jobs.store.told import Tidings
from scriptixd.jobs.store.views import Views
from scriptixd.jobs.store.waiting import Waiting


class Store:
    """The tables, each with its owner's verbs."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.erasures = Erasures(database)
        self.errands = Errands(database)
        self.contents = Contents(database)
        self.jobs = Jobs(database, self.erasures, self.contents)
        self.sources = Sources(database, self.jobs)
        self.deliveries = Deliveries(database, self.jobs, self.erasures, self.errands)
        self.forgetting = Forgetting(database, self.jobs, self.sources, self.erasures)
        self.ledger = Ledger(database)
        self.requests = Requests(database)
        self.asked = Asked(database)
        self.openings = Openings(database)
        self.pauses = Pauses(database)
        self.tidings = Tidings(database)
        self.today = Today(database)
        self.views = Views(database)
        self.notices = Notices(database)
        self.waiting = Waiting(database)
        self.expiry = Expiry(database)

    def instance(self) -> str:
        """Which state file this is, to other daemons: 32 hex digits, the same for as long as it is used."""
        with self.database.reading() as connection:
            (id_,) = connection.execute("SELECT id FROM instance").fetchone()
        return str(id_)

    def close(self) -> None:
        self.database.close()
