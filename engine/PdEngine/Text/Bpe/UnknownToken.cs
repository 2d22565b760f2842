namespace PdEngine;

/// <summary>What stands for a symbol without a token.</summary>
/// <param name="Id">The unknown token, or null: such symbols are dropped.</param>
/// <param name="Fuse">Whether neighbours become one unknown token.</param>
internal readonly record struct UnknownToken(int? Id, bool Fuse);
