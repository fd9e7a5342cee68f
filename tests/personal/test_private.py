from __future__ import annotations

import pytest

from service.personal.private import may_be_learned

LEARNED = """
walk Walk WALK a I NASA it's o'clock rock’n’roll well-known mother-in-law “quoted,” (so) end. really?! *bold* dogs'
McDonald iPhone YouTube JavaScript Bolkonsky Łódź naïve façade rhythm Knightsbridge Rechtschreibung Donaudampfschiffahrt
hmm brr nth Москва подсказка 안녕하세요 비밀번호 ㅋㅋㅋ KBS에서 言葉 property defaced facade strengths
"""

PASSED_OVER = {
    "passwords": "hunter2 P@ssw0rd pa$$word Tr0ub4dor&3 correct1horse PaSsWoRd aBcDeF xkqzjvbn",
    "keys in a row": "qwerty Asdfgh zxcvbnm ytrewq azerty abcdef zyxwv",
    "addresses": "bob@example.com @bob bob@ <bob@example.com> mailto:bob@example.com bob.smith example.com. www.example.org 10.0.0.1",
    "links": "https://example.com/a?b=c ftp://host file:///etc C:\\temp ~/notes a/b example.com/path #tag",
    "numbers": "1 42 3.14 1,000 £5 50% 2026-11-23 12:30 +49 555-1234 (555) ٣٤ Ⅻ½ 1st 2nd",
    "cards": "4111111111111111 4111-1111-1111-1111 DE44500105175407324931 378282246310005.",
    "codes": "A1B2-C3D4 ABCDE-FGHIJ-KLMNO 0xdeadbeef deadbeef cafebabe xkcdq QWRTP C++ foo_bar a.b a=b {x:y} sk-abc123",
    "noise": "aaaa sooooo zzzzz hmmmm ㅋㅋㅋㅋ " + "x" * 33 + " " + "ab" * 17,
}


@pytest.mark.parametrize("chunk", LEARNED.split())
def test_words_are_learned(chunk: str):
    assert may_be_learned(chunk)


@pytest.mark.parametrize(("kind", "chunk"), [(kind, chunk) for kind, chunks in PASSED_OVER.items() for chunk in chunks.split()])
def test_what_may_be_private_is_passed_over(kind: str, chunk: str):
    assert not may_be_learned(chunk), kind
