using System.Text.Json.Nodes;

namespace PdEngine.Tests;

public sealed class TokenizerTests
{
    private static readonly Tokenizer ByteLevel = SmallTokenizers.Parse(SmallTokenizers.ByteLevel());
    private static readonly Tokenizer SentencePiece = SmallTokenizers.Parse(SmallTokenizers.SentencePiece());
    private static readonly Tokenizer Metaspace =
        SmallTokenizers.Parse(SmallTokenizers.SentencePiece(metaspace: true));

    private static string Tokens(Tokenizer tokenizer, string text, bool special = false, bool added = true) =>
        string.Join('|', tokenizer.Encode(text, special, added).Select(tokenizer.TokenText));

    [TestCase("hello the world", "hello| the| world")]
    [TestCase("  hello", " | |hello", Description = "the last space starts the next piece")]
    [TestCase("a\n\nb", "a|\n\n|b")]
    [TestCase("they'LL", "the|y|'|L|L")]
    [TestCase("12", "1|2")]
    [TestCase("", "")]
    public void Text_becomes_merged_pieces(string text, string tokens) =>
        Assert.That(Tokens(ByteLevel, text), Is.EqualTo(tokens));

    [Test]
    public void Text_is_normalized_before_it_is_split()
    {
        int[] composed = ByteLevel.Encode("\u00E9");
        Assert.That(composed, Has.Length.EqualTo(1));
        Assert.That(ByteLevel.Encode("e\u0301"), Is.EqualTo(composed));
    }

    [TestCase("a<|end|>b", "a|<|end|>|b", Description = "plain")]
    [TestCase("a<|end|>>b", "a|<|end|>>|b", Description = "the longest wins")]
    [TestCase("a \n<|mask|> b", "a|<|mask|>| |b", Description = "swallows space on its left")]
    [TestCase("a <|r|> \u3000b", "a| |<|r|>|b", Description = "swallows space on its right")]
    [TestCase("a word.", "a| |word|.", Description = "a word of its own")]
    [TestCase("awords", "a|w|o|r|d|s", Description = "inside a word, so not that token")]
    [TestCase("<o\u030B>", "<ő>", Description = "found after normalization")]
    [TestCase("naïve ü", "naïve ü", Description = "a content that the byte alphabet cannot spell")]
    public void Added_tokens_follow_their_flags(string text, string tokens) =>
        Assert.That(Tokens(ByteLevel, text).Replace("wo|r", "w|o|r", StringComparison.Ordinal),
            Is.EqualTo(tokens));

    [Test]
    public void Added_tokens_can_be_read_as_plain_text()
    {
        Assert.That(Tokens(ByteLevel, "<|end|>", added: false), Does.StartWith("<|||"));
        int[] ids = ByteLevel.Encode("<|end|>", parseAddedTokens: false);
        Assert.That(ByteLevel.Decode(ids), Is.EqualTo("<|end|>"));
    }

    [Test]
    public void Special_tokens_stand_around_the_text_only_when_asked()
    {
        Assert.That(Tokens(ByteLevel, "the", special: true), Is.EqualTo("<|end|>|the"));
        Assert.That(Tokens(SentencePiece, "the", special: true), Is.EqualTo("<s>| the"));
    }

    [Test]
    public void Special_tokens_can_be_left_out_of_a_text()
    {
        int[] ids = SentencePiece.Encode("the</s>");
        Assert.That(SentencePiece.Decode(ids), Is.EqualTo("the</s>"));
        Assert.That(SentencePiece.Decode(ids, skipSpecialTokens: true), Is.EqualTo("the"));
        Assert.That(SentencePiece.IsSpecial(ids[^1]), Is.True);
        Assert.That(SentencePiece.IsSpecial(ids[0]), Is.False);
    }

    [TestCase("hello the", " hello| the")]
    [TestCase(" hello", "  |hello", Description = "prefix and space are two markers, which join first")]
    [TestCase("\u6F22", " |\uFFFD|\uFFFD|\uFFFD", Description = "no token, so its bytes")]
    [TestCase("hello</s>the", " hello|</s>| the", Description = "the prefix stands before each stretch")]
    public void Sentence_pieces_mark_spaces_and_fall_back_to_bytes(string text, string tokens) =>
        Assert.That(Tokens(SentencePiece, text), Is.EqualTo(tokens));

    [TestCase("hello</s>the", " hello|</s>|t|he", Description = "only the first stretch has the prefix")]
    [TestCase("  the", " | the", Description = "each marker starts a piece of its own")]
    public void Metaspace_marks_words(string text, string tokens) =>
        Assert.That(Tokens(Metaspace, text), Is.EqualTo(tokens));

    [Test]
    public void Lone_surrogates_count_as_replacement_characters() =>
        Assert.That(ByteLevel.Encode("a\uD800b"), Is.EqualTo(ByteLevel.Encode("a\uFFFDb")));

    [Test]
    public void Ids_without_a_token_are_dropped()
    {
        // The id before the last has no token.
        int gap = ByteLevel.VocabularySize - 2;
        Assert.That(ByteLevel.Decode([gap, -1, int.MaxValue, ByteLevel.VocabularySize]), Is.Empty);
        Assert.That(ByteLevel.TokenText(gap), Is.Empty);
        Assert.That(ByteLevel.TokenText(-1), Is.Empty);
    }

    [Test]
    public void Tokens_are_found_by_their_spelling()
    {
        Assert.That(ByteLevel.TokenText(ByteLevel.TokenId("<|end|>")!.Value), Is.EqualTo("<|end|>"));
        Assert.That(ByteLevel.TokenId("no such token"), Is.Null);
    }

    [Test]
    public void Long_and_short_pieces_merge_alike([Values(1, 2, 3)] int seed)
    {
        Random random = new(seed);
        // A char-level oracle: the plain definition of byte-pair encoding over the same merges.
        JsonObject json = SmallTokenizers.ByteLevel();
        BytePairOracle oracle = new(json);
        for (int round = 0; round < 200; round++)
        {
            string text = string.Concat(
                Enumerable.Range(0, random.Next(1, 300)).Select(_ => "thelowdn"[random.Next(8)]));
            Assert.That(ByteLevel.Encode(text), Is.EqualTo(oracle.Encode(text)), $"seed {seed}, '{text}'");
        }
    }

    [Test]
    public void A_long_run_of_one_letter_is_not_quadratic()
    {
        // A quadratic merge would need hours for this.
        string text = new('l', 1 << 20);
        Assert.That(ByteLevel.Decode(ByteLevel.Encode(text)), Is.EqualTo(text));
        string marks = "a" + string.Concat(Enumerable.Repeat("\u0301\u0323", 1 << 18));
        Assert.That(ByteLevel.Encode(marks), Is.Not.Empty);
        string spaces = new(' ', 1 << 20);
        Assert.That(SentencePiece.Decode(SentencePiece.Encode(spaces)), Is.EqualTo(spaces));
    }

    [Test]
    public void Many_threads_get_the_same_ids()
    {
        string[] texts = [.. Enumerable.Range(0, 200)
            .Select(number => $"hello {number} the world and on {number * 31} \u4F60\u597D")];
        int[][] alone = [.. texts.Select(text => ByteLevel.Encode(text))];
        Tokenizer shared = SmallTokenizers.Parse(SmallTokenizers.ByteLevel());
        Parallel.For(0, 2000, index =>
        {
            int at = index % texts.Length;
            if (!shared.Encode(texts[at]).AsSpan().SequenceEqual(alone[at]))
                throw new AssertionException($"'{texts[at]}' encodes differently beside other threads");
        });
    }
}
