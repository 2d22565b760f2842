namespace PdEngine;

/// <summary><c>\p{N}{1,most}</c> cut out of what surrounds it.</summary>
internal sealed class NumberScanner(int mostDigits) : PieceScanner
{
    public override bool MatchesEverything => false;

    public override int Next(ReadOnlySpan<byte> text, int start)
    {
        int end = Scan.AnyOf(text, start, CodePointClass.Number, mostDigits);
        return end > start ? end : Scan.NoneOf(text, start, CodePointClass.Number);
    }
}
