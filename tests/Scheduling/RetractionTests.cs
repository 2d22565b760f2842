namespace PdEngine.Tests;

public sealed class RetractionTests
{
    private static readonly SchedulerOptions Eager = new() { ContextTokens = 4096, Conservativeness = 0 };

    [Test]
    public void Sequences_that_outgrow_the_pool_are_retracted_and_lose_nothing([Values] bool mixesDecode)
    {
        using WorkerRig rig = new(20, 4, Eager with { MixesDecode = mixesDecode });
        Request[] requests =
            [.. Enumerable.Range(0, 4).Select(i => rig.NewRequest(WorkerRig.Tokens(4, i), newTokens: 60))];
        SimulatedCall[] calls =
            [.. requests.Select(r => rig.Submit(r with { ReturnLogProb = true, TopLogProbCount = 2 }))];
        rig.RunToEnd(calls);
        Assert.That(rig.Worker.Snapshot().RetractionCount, Is.GreaterThan(0));
        Assert.That(calls.Select(c => c.Sequence!.OutputLogProbs.Count), Is.All.EqualTo(60));
    }

    [Test]
    public void The_one_with_the_fewest_output_tokens_goes_first()
    {
        using WorkerRig rig = new(20, 4, Eager);
        SimulatedCall old = rig.Submit(WorkerRig.Tokens(4, 1), newTokens: 60);
        for (int i = 0; i < 10; i++)
            rig.Worker.Step();
        SimulatedCall young = rig.Submit(WorkerRig.Tokens(4, 2), newTokens: 60);
        rig.RunToEnd(old, young);
        Assert.That(old.Sequence!.RetractionCount, Is.Zero);
        Assert.That(young.Sequence!.RetractionCount, Is.GreaterThan(0));
    }

    [Test]
    public void Under_the_priority_policy_the_lowest_priority_goes_first()
    {
        using WorkerRig rig = new(20, 4, Eager with { Retraction = RetractionPolicy.Priority });
        SimulatedCall low = rig.Submit(rig.NewRequest(WorkerRig.Tokens(4, 1), 60) with { Priority = 1 });
        for (int i = 0; i < 10; i++)
            rig.Worker.Step();
        SimulatedCall high = rig.Submit(rig.NewRequest(WorkerRig.Tokens(4, 2), 60) with { Priority = 2 });
        rig.RunToEnd(low, high);
        Assert.That(low.Sequence!.RetractionCount, Is.GreaterThan(0));
        Assert.That(high.Sequence!.RetractionCount, Is.Zero);
    }

    [Test]
    public void A_retracted_prompt_scores_no_row_twice()
    {
        using WorkerRig rig = new(24, 4, Eager with { PrefillChunkTokens = 5 });
        SimulatedCall stream = rig.Submit([1, 2, 3], newTokens: 80);
        rig.Worker.Step();
        Request scoredRequest = rig.NewRequest(WorkerRig.Tokens(60), newTokens: 12);
        SimulatedCall scored = rig.Submit(scoredRequest with { LogProbStart = 3 });
        Request otherRequest = rig.NewRequest(WorkerRig.Tokens(9, 5), newTokens: 50);
        SimulatedCall other = rig.Submit(otherRequest with { LogProbStart = 0 });
        rig.RunToEnd(stream, scored, other);
        Assert.That(rig.Worker.Snapshot().RetractionCount, Is.GreaterThan(0));
        Assert.That(scored.Sequence!.InputLogProbs, Has.Count.EqualTo(56));
    }

    [Test]
    public void Conservative_admission_retracts_less()
    {
        long[] retractions = [.. new[] { 0.0, 10.0 }.Select(conservativeness =>
        {
            using WorkerRig rig = new(20, 4, Eager with { Conservativeness = conservativeness });
            SimulatedCall[] calls =
                [.. Enumerable.Range(0, 6).Select(i => rig.Submit(WorkerRig.Tokens(4, i), newTokens: 40))];
            rig.RunToEnd(calls);
            return rig.Worker.Snapshot().RetractionCount;
        })];
        Assert.That(retractions[1], Is.LessThan(retractions[0]));
    }
}
