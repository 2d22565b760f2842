using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary>How the peer's serving loop fills its batches.</summary>
public sealed class LlamaSlotTests
{
    [Test]
    public void A_prompt_is_cut_to_the_batch_and_decode_rows_go_first()
    {
        LlamaSlot decoding = new(0), waiting = new(1);
        decoding.Take(Job([1, 2], 5));
        LlamaBatch batch = new(capacity: 4);
        batch.Add(decoding, decoding.PendingTokens);
        decoding.Append(3);
        waiting.Take(Job([11, 12, 13, 14, 15], 5));

        batch.Clear();
        batch.Add(decoding, 1);
        batch.Add(waiting, waiting.PendingTokens);
        Assert.That(batch.Tokens.ToArray(), Is.EqualTo(new[] { 3, 11, 12, 13 }));
        Assert.That(batch.Positions.ToArray(), Is.EqualTo(new[] { 2, 0, 1, 2 }));
        Assert.That(batch.Sequences.ToArray(), Is.EqualTo(new[] { 0, 1, 1, 1 }));
        Assert.That(batch.Wanted.ToArray(), Is.EqualTo(new byte[] { 1, 0, 0, 0 }));

        batch.Clear();
        batch.Add(waiting, waiting.PendingTokens);
        Assert.That(batch.Positions.ToArray(), Is.EqualTo(new[] { 3, 4 }));
        Assert.That(batch.WantedRows, Is.EqualTo(new[] { (waiting, 1) }));
    }

    [Test]
    public void A_later_turn_keeps_what_it_shares_and_computes_at_least_a_token()
    {
        LlamaSlot slot = new(0);
        LlamaBatch batch = new(capacity: 16);
        slot.Take(Job([1, 2, 3], 1));
        batch.Add(slot, slot.PendingTokens);
        slot.Append(4);
        Assert.That(slot.Job, Is.Null, "it made its one token");

        LlamaJob turn = Job([1, 2, 3, 4, 5], 1);
        Assert.That(slot.Take(turn), Is.EqualTo(3), "the token drawn last was never computed");
        Assert.That(turn.CachedTokens, Is.EqualTo(3));
        batch.Add(slot, slot.PendingTokens);
        slot.Append(6);
        Assert.That(slot.Take(Job([1, 2, 3], 1)), Is.EqualTo(2));
        batch.Add(slot, slot.PendingTokens);
        slot.Append(6);
        Assert.That(slot.Take(Job([1, 9, 3], 1)), Is.EqualTo(1));
    }

    private static LlamaJob Job(int[] prompt, int outputTokens) => new(new ServingRequest
    {
        Key = "a", Row = 0, Role = RequestRole.Turn, Prompt = prompt, OutputTokens = outputTokens,
    });
}
