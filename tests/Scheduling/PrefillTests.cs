namespace PdEngine.Tests;

public sealed class PrefillTests
{
    private static readonly SchedulerOptions Options = new() { ContextTokens = 4096 };

    [Test]
    public void A_prompt_takes_as_many_steps_as_its_chunks(
        [Values(1, 7, 64)] int chunkTokens, [Values] bool mixesDecode)
    {
        SchedulerOptions options =
            Options with { PrefillChunkTokens = chunkTokens, MixesDecode = mixesDecode };
        using WorkerRig rig = new(64, 16, options);
        SimulatedCall call = rig.Submit(WorkerRig.Tokens(200), newTokens: 1);
        Assert.That(rig.RunToEnd(call), Is.EqualTo((200 + chunkTokens - 1) / chunkTokens));
    }

    [Test]
    public void Without_chunks_a_prompt_is_never_cut_even_above_the_step_budget()
    {
        using WorkerRig rig = new(64, 16, Options with { PrefillChunkTokens = null, MaxPrefillTokens = 50 });
        SimulatedCall large = rig.Submit(WorkerRig.Tokens(200), 1);
        SimulatedCall small = rig.Submit(WorkerRig.Tokens(40, seed: 2), 1);
        Assert.That(rig.RunToEnd(large, small), Is.EqualTo(2));
    }

    [Test]
    public void Many_prompts_share_one_step_within_its_budget()
    {
        using WorkerRig rig = new(64, 16, Options with { PrefillChunkTokens = 100 });
        SimulatedCall[] calls =
            [.. Enumerable.Range(0, 8).Select(i => rig.Submit(WorkerRig.Tokens(25, i), newTokens: 1))];
        Assert.That(rig.RunToEnd(calls), Is.EqualTo(2));
    }

    [Test]
    public void Decode_goes_on_beside_a_long_prompt([Values] bool mixesDecode)
    {
        SchedulerOptions options = Options with { PrefillChunkTokens = 16, MixesDecode = mixesDecode };
        using WorkerRig rig = new(64, 16, options);
        SimulatedCall stream = rig.Submit([1, 2, 3], newTokens: 400);
        rig.Worker.Step();
        SimulatedCall prompt = rig.Submit(WorkerRig.Tokens(160), newTokens: 1);
        for (int i = 0; i < 20; i++)
            rig.Worker.Step();
        Assert.That(prompt.IsFinished);
        Assert.That(stream.Sequence!.OutputCount, Is.GreaterThanOrEqualTo(10));
        rig.RunToEnd(stream, prompt);
    }

    [Test]
    public void Prefill_goes_on_under_more_decode_rows_than_its_budget()
    {
        using WorkerRig rig = new(256, 16, Options with { PrefillChunkTokens = 8 });
        for (int i = 0; i < 32; i++)
            rig.Submit([i], newTokens: 100);
        for (int i = 0; i < 20; i++)
            rig.Worker.Step();
        Assert.That(rig.Worker.Snapshot().DecodingCount, Is.EqualTo(32));
        SimulatedCall late = rig.Submit(WorkerRig.Tokens(20), newTokens: 1);
        for (int i = 0; i < 10; i++)
            rig.Worker.Step();
        Assert.That(late.IsFinished);
    }

    [Test]
    public void A_group_of_samples_computes_its_prompt_once()
    {
        using WorkerRig rig = new(256, 16, Options with { PrefillChunkTokens = 64 });
        int[] prompt = WorkerRig.Tokens(330);
        SimulatedCall[] group = [.. Enumerable.Range(0, 8).Select(_ => rig.Submit(prompt, newTokens: 20))];
        rig.RunToEnd(group);
        Assert.That(group.Skip(1).Select(c => c.Sequence!.CachedCount), Is.All.EqualTo(330));
        Assert.That(rig.Worker.Snapshot().PrefillTokenCount, Is.EqualTo(330));
        Assert.That(group.Select(c => c.Sequence!.OutputTokens[0]).Distinct().Count(), Is.GreaterThan(1));
    }

    [Test]
    public void Others_pass_a_sample_that_waits_for_its_group()
    {
        using WorkerRig rig = new(256, 16, Options with { PrefillChunkTokens = 64 });
        int[] prompt = WorkerRig.Tokens(96);
        SimulatedCall first = rig.Submit(prompt, 5), second = rig.Submit(prompt, 5);
        SimulatedCall other = rig.Submit(WorkerRig.Tokens(20, seed: 9), 1);
        rig.Worker.Step();
        rig.Worker.Step();
        Assert.That(other.IsFinished);
        rig.RunToEnd(first, second, other);
        Assert.That(second.Sequence!.CachedCount, Is.EqualTo(96));
    }

    [Test]
    public void The_next_turn_of_a_session_finds_prompt_and_answer()
    {
        using WorkerRig rig = new(64, 4, Options);
        SimulatedCall turn = rig.Submit(WorkerRig.Tokens(21), newTokens: 20);
        rig.RunToEnd(turn);
        SimulatedCall next = rig.Submit([.. turn.Sequence!.Tokens, 1, 2, 3], newTokens: 5);
        rig.RunToEnd(next);
        Assert.That(next.Sequence!.CachedCount, Is.EqualTo(40), "all but the last token have K and V");
    }

    [Test]
    public void The_last_prompt_token_is_always_computed()
    {
        using WorkerRig rig = new(64, 4, Options);
        int[] prompt = WorkerRig.Tokens(16);
        rig.RunToEnd(rig.Submit(prompt, newTokens: 9));
        SimulatedCall again = rig.Submit(prompt, newTokens: 1);
        rig.RunToEnd(again);
        Assert.That(again.Sequence!.CachedCount, Is.EqualTo(12));
    }

    [Test]
    public void A_cached_prefix_stops_where_log_probs_begin([Values(0, 7, 8, 11, 15, 16, 40)] int start)
    {
        using WorkerRig rig = new(64, 4, Options);
        int[] prompt = WorkerRig.Tokens(16);
        rig.RunToEnd(rig.Submit(prompt, newTokens: 9));
        Request request = rig.NewRequest(prompt, newTokens: 0) with { LogProbStart = start };
        SimulatedCall scored = rig.Submit(request);
        rig.RunToEnd(scored);
        Assert.That(scored.Sequence!.CachedCount, Is.EqualTo(Math.Min(start, 15) / 4 * 4));
        Assert.That(scored.Sequence.InputLogProbs, Has.Count.EqualTo(Math.Max(0, 15 - start)));
        Assert.That(scored.Sequence.FinishReason, Is.EqualTo(FinishReason.Length));
    }

    [Test]
    public void Without_the_cache_nothing_is_kept()
    {
        using WorkerRig rig = new(64, 4, Options with { UsesPrefixCache = false });
        int[] prompt = WorkerRig.Tokens(16);
        SimulatedCall first = rig.Submit(prompt, 5), second = rig.Submit(prompt, 5);
        rig.RunToEnd(first, second);
        Assert.That(second.Sequence!.CachedCount, Is.Zero);
        Assert.That(rig.Pool.FreeCount, Is.EqualTo(64));
    }

    [Test]
    public void Fcfs_lets_nothing_pass_a_prompt_that_does_not_fit_yet()
    {
        using WorkerRig rig = new(20, 16, Options);
        SimulatedCall running = rig.Submit(WorkerRig.Tokens(100), newTokens: 100);
        rig.Worker.Step();
        SimulatedCall large = rig.Submit(WorkerRig.Tokens(200, seed: 2), newTokens: 10);
        SimulatedCall small = rig.Submit([1, 2], newTokens: 1);
        rig.Worker.Step();
        Assert.That(small.Sequence!.Phase, Is.EqualTo(SequencePhase.Queued));
        rig.RunToEnd(running, large, small);
        Assert.That(large.Sequence!.Arrival, Is.LessThan(small.Sequence.Arrival));
    }

    [Test]
    public void Priority_runs_the_highest_first_then_the_oldest()
    {
        using WorkerRig rig = new(
            64, 16, Options with { Policy = SchedulePolicy.Priority, MaxRunningSequences = 1 });
        List<SimulatedCall> calls = [];
        foreach (int priority in (int[])[0, 2, 1, 2])
        {
            Request request = rig.NewRequest([priority, calls.Count], newTokens: 1);
            calls.Add(rig.Submit(request with { Priority = priority }));
        }
        List<int> order = [];
        while (rig.Worker.Step() || order.Count < 4)
            order.AddRange(Enumerable.Range(0, 4).Where(i => calls[i].IsFinished && !order.Contains(i)));
        Assert.That(order, Is.EqualTo((int[])[1, 3, 2, 0]));
    }

    [Test]
    public void Longest_prefix_first_runs_what_is_cached_but_starves_nobody()
    {
        using WorkerRig rig = new(
            64, 4, Options with { Policy = SchedulePolicy.LongestPrefixMatch, MaxRunningSequences = 1 });
        int[] warm = WorkerRig.Tokens(20);
        rig.RunToEnd(rig.Submit(warm, newTokens: 1));
        SimulatedCall cold = rig.Submit(WorkerRig.Tokens(20, seed: 2), newTokens: 1);
        int passedCount = 0;
        for (; !cold.IsFinished; passedCount++)
        {
            rig.Submit([.. warm, passedCount % 200], newTokens: 1);
            rig.Worker.Step();
            Assert.That(passedCount, Is.LessThan(1000));
        }
        Assert.That(passedCount, Is.GreaterThan(10).And.LessThan(100));
        rig.RunToEnd();
    }
}
