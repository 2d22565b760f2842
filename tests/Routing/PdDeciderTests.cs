namespace PdEngine.Tests;

public sealed class PdDeciderTests
{
    private const int LocalTokens = 64;

    [TestCase(1000, 0, 0, 3, PdReasons.LongPrompt)]
    [TestCase(65, 0, 0, 3, PdReasons.LongPrompt)]
    [TestCase(64, 0, 0, 3, PdReasons.ShortPrompt)]
    [TestCase(1, 1, 0, 3, PdReasons.ShortPrompt)]
    [TestCase(1000, 935, 0, 3, PdReasons.LongPrompt)]
    [TestCase(1000, 936, 0, 3, PdReasons.PromptCached)]
    [TestCase(1000, 1000, 0, 3, PdReasons.PromptCached)]
    [TestCase(1000, 0, 0, 0, PdReasons.LongPrompt)]
    [TestCase(1000, 0, 1, 0, PdReasons.DecodeWorkerIdle)]
    [TestCase(1000, 0, 1, 1, PdReasons.LongPrompt)]
    [TestCase(64, 0, 1, 0, PdReasons.ShortPrompt)]
    [TestCase(int.MaxValue, 0, long.MaxValue, 0, PdReasons.DecodeWorkerIdle)]
    [TestCase(int.MaxValue, 0, long.MaxValue, int.MaxValue, PdReasons.LongPrompt)]
    public void Auto_hands_off_where_it_pays(
        int promptTokens, int cached, long pendingTokens, int decodingCount, string reason)
    {
        PdDecider decider = new(DisaggregateMode.Auto, LocalTokens);
        Assert.That(decider.Decide(promptTokens, cached, pendingTokens, decodingCount, true, true),
            Is.EqualTo(new PdDecision(reason == PdReasons.LongPrompt, reason)));
    }

    [Test]
    public void Always_and_never_look_at_nothing_but_who_is_alive(
        [Values(1, 1000)] int promptTokens, [Values(0, 1, 1000)] int cached, [Values(0, 3)] int decodingCount)
    {
        PdDecider always = new(DisaggregateMode.Always, LocalTokens);
        PdDecider never = new(DisaggregateMode.Never, LocalTokens);
        Assert.That(always.Decide(promptTokens, cached, 9, decodingCount, true, true),
            Is.EqualTo(new PdDecision(true, "always")));
        Assert.That(never.Decide(promptTokens, cached, 9, decodingCount, true, true),
            Is.EqualTo(new PdDecision(false, "never")));
    }

    [TestCase(false, true, "no prefill worker")]
    [TestCase(true, false, "no decode worker")]
    [TestCase(false, false, "no decode worker")]
    public void Without_one_side_nothing_is_handed_off(bool hasPrefill, bool hasDecode, string reason)
    {
        foreach (DisaggregateMode mode in Enum.GetValues<DisaggregateMode>())
        {
            Assert.That(new PdDecider(mode, LocalTokens).Decide(1000, 0, 0, 3, hasPrefill, hasDecode),
                Is.EqualTo(new PdDecision(false, reason)), $"{mode}");
        }
    }

    [Test]
    public void A_bound_of_nothing_keeps_only_what_is_wholly_cached()
    {
        PdDecider decider = new(DisaggregateMode.Auto, localTokens: 0);
        Assert.That(decider.Decide(1, 0, 0, 3, true, true).Disaggregates);
        Assert.That(decider.Decide(1000, 1000, 0, 3, true, true).Disaggregates, Is.False);
    }
}
