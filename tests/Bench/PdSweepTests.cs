using System.Text;
using System.Xml.Linq;
using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary>What <c>bench pd</c> does with the runs that it has.</summary>
public sealed class PdSweepTests
{
    [Test]
    public void Runs_of_the_same_tokens_do_not_differ_and_a_peer_may_say_what_it_likes()
    {
        PdRun first = Run("whole", 0), second = Run("pd", 0), peer = Run("llama", 7);
        Assert.That(PdSweep.Difference([first, peer, second]), Is.Null);
    }

    [Test]
    public void One_other_token_is_found_and_named()
    {
        string? difference = PdSweep.Difference([Run("whole", 0), Run("chunk-64", 0), Run("pd", 1)]);
        Assert.That(difference, Does.Contain("Stream 3").And.Contain("token 2")
            .And.Contain("whole").And.Contain("pd"));
    }

    [Test]
    public void A_token_too_few_is_a_difference()
    {
        PdRun cut = Traces.Run("pd", Request() with { OutputIds = [3, 4] });
        Assert.That(PdSweep.Difference([Run("whole", 0), cut]), Does.Contain("token 2"));
    }

    [Test]
    public void A_gate_opens_with_the_last_stream()
    {
        TokenGate gate = new(streams: 2, tokens: 3);
        gate.Add(0, 5);
        gate.Add(0, 5);
        gate.Add(1, 2);
        Assert.That(gate.Reached.IsCompleted, Is.False);
        gate.Add(1, 1);
        Assert.That(gate.Reached.IsCompleted, Is.True);
    }

    [TestCase(0.07, 0.1)]
    [TestCase(0.1, 0.1)]
    [TestCase(0.13, 0.2)]
    [TestCase(3, 5)]
    [TestCase(6, 10)]
    public void An_axis_has_round_steps(double least, double step) =>
        Assert.That(StripChart.Step(least), Is.EqualTo(step).Within(1e-9));

    [Test]
    public void A_chart_is_well_formed_whatever_the_models_name_and_shows_every_stall()
    {
        PdRun run = Traces.Run(
            "pd", Traces.Request(RequestRole.Stream, 0, -10, Traces.Arrivals(0, 700, 800, 1500)),
            Traces.Request(RequestRole.Injected, 1, 100, Traces.Arrivals(900, 1000)));
        using MemoryStream target = new();
        StripChart.Write(target, [Traces.Result(run)]);
        XDocument chart = XDocument.Parse(Encoding.UTF8.GetString(target.ToArray()));
        int Filled(string colour) =>
            chart.Descendants().Count(element => (string?)element.Attribute("fill") == colour);
        Assert.That(Filled("#f87171"), Is.EqualTo(2), "stalls");
        Assert.That(Filled("#fde68a"), Is.EqualTo(1), "the injected prompt");
        Assert.That(chart.Descendants().Select(element => element.Name.LocalName),
            Does.Not.Contain("script"));
    }

    private static RequestTrace Request() =>
        Traces.Request(RequestRole.Stream, 3, 0, Traces.Arrivals(0, 10, 20));

    private static PdRun Run(string arm, int more) =>
        Traces.Run(arm, Request() with { OutputIds = [3, 4, 5 + more] });
}
