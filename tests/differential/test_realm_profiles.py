"""Realm profiles on a server and in memory."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, multiple, rule

from redis_mob.models import Profile, StoredRealmProfile
from redis_mob.storage import MobStorage
from redis_mob.testing.samples.documents import FULL_PROFILE, profile
from tests.differential.driver import NO_RESULT, Twins, check_twins
from tests.differential.strategies import DOCUMENTS, NAMES, rarely

PROFILES = rarely(
    st.just(Profile.model_construct(model="\ud800")),
    st.builds(profile, st.sampled_from(["model", "é"]), output_schema=DOCUMENTS, provider_params=DOCUMENTS)
    | st.just(FULL_PROFILE),
)


class RealmProfiles(Twins):
    """Each write names a revision: the right one, one that was, or one that never will be."""

    revisions = Bundle("revisions")

    @initialize(target=revisions)
    def revisions_of_nothing(self) -> Any:
        return multiple(0, 2**70)

    @rule(target=revisions, name=NAMES, content=PROFILES)
    def create(self, name: str, content: Profile) -> Any:
        return revision_of(self.both(lambda storage: storage.realm_profiles.create(name, content)))

    @rule(target=revisions, name=NAMES, content=PROFILES, revision=revisions)
    def update(self, name: str, content: Profile, revision: int) -> Any:
        return revision_of(self.both(lambda storage: storage.realm_profiles.update(name, content, revision)))

    @rule(name=NAMES, revision=revisions)
    def delete(self, name: str, revision: int) -> None:
        self.both(lambda storage: storage.realm_profiles.delete(name, revision))

    @rule(name=NAMES)
    def get(self, name: str) -> None:
        self.both(lambda storage: storage.realm_profiles.get(name))

    @invariant()
    def same_content(self) -> None:
        self.both(content)


async def content(storage: MobStorage) -> Any:
    """All profiles, and which were updated after they were created."""
    profiles = await storage.realm_profiles.list()
    return profiles, [stored.updated_at > stored.created_at for stored in profiles]


def revision_of(answer: Any) -> Any:
    return answer.revision if isinstance(answer, StoredRealmProfile) else NO_RESULT


def test_realm_profiles(server_url: str) -> None:
    check_twins(RealmProfiles, server_url)
