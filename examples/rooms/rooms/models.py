"""The tables."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from uuid import UUID

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """Of all models; unlike ``db.Model``, type checkers understand it."""


db = SQLAlchemy(model_class=Base)


def utc_now() -> datetime:
    """The present time as the database stores it: UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    banned: Mapped[bool] = mapped_column(default=False)


class Login(Base):
    """Exists until the logout, so that the server can end what a cookie or token names."""

    __tablename__ = "logins"

    # Random: SQLite would give the number of a deleted row to the next one, and so an old cookie a new user.
    id: Mapped[str] = mapped_column(String(43), primary_key=True, default=secrets.token_urlsafe)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    user: Mapped[User] = relationship(lazy="joined", innerjoin=True)  # a login without its user is none
    signed_in_at: Mapped[datetime] = mapped_column(index=True, default=utc_now)


class Room(Base):
    __tablename__ = "rooms"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    seats_left: Mapped[int]
    """Counted down by who joins, so that the database itself decides about the last seat."""
    invitation_only: Mapped[bool] = mapped_column(default=False)


class Membership(Base):
    __tablename__ = "memberships"

    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey(Room.id), primary_key=True)


class Message(Base):
    __tablename__ = "messages"
    __table_args__ = (UniqueConstraint("room_id", "author_id", "nonce"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey(Room.id), index=True)
    author_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    author: Mapped[User] = relationship(lazy="joined")
    text: Mapped[str] = mapped_column(String(2000))
    sent_at: Mapped[datetime] = mapped_column(default=utc_now)
    nonce: Mapped[UUID | None]
    """Chosen by the client, so that a message that it sends again is there once."""
